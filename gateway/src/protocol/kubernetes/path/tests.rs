use super::{Place, RequestInfo};

fn place(target: &str) -> Place {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Place::parse(path, Some(query)).expect(target)
}

/// `verb group/version resource/subresource namespace name`, as the API server's own test lists it.
fn told(method: &str, target: &str) -> String {
    let info = place(target).info(method).expect(target);
    let RequestInfo { verb, is_resource, group, version, resource, subresource, .. } = &info;
    if !is_resource {
        return format!("{verb} -");
    }
    let RequestInfo { namespace, name, .. } = &info;
    format!("{verb} {group}/{version} {resource}/{subresource} {namespace} {name}")
}

/// The cases of `requestinfo_test.go`, and more.
#[test]
fn a_request_is_what_the_api_server_takes_it_for() {
    let cases = [
        ("GET", "/api/v1/namespaces", "list /v1 namespaces/  "),
        ("GET", "/api/v1/namespaces/other", "get /v1 namespaces/ other other"),
        ("GET", "/api/v1/namespaces/other/pods", "list /v1 pods/ other "),
        ("GET", "/api/v1/namespaces/other/pods/foo", "get /v1 pods/ other foo"),
        ("HEAD", "/api/v1/namespaces/other/pods/foo", "get /v1 pods/ other foo"),
        ("GET", "/api/v1/pods", "list /v1 pods/  "),
        ("HEAD", "/api/v1/pods", "list /v1 pods/  "),
        ("POST", "/api/v1/pods", "create /v1 pods/  "),
        ("GET", "/api/v1/namespaces/other/pods/foo/status", "get /v1 pods/status other foo"),
        ("GET", "/api/v1/namespaces/other/pods/foo/proxy/a/b", "get /v1 pods/proxy other foo"),
        ("PUT", "/api/v1/namespaces/other/finalize", "update /v1 namespaces/finalize other other"),
        ("PUT", "/api/v1/namespaces/other/status", "update /v1 namespaces/status other other"),
        ("GET", "/api/v1/watch/pods", "watch /v1 pods/  "),
        ("GET", "/api/v1/pods?watch=true", "watch /v1 pods/  "),
        ("GET", "/api/v1/pods?watch=false", "list /v1 pods/  "),
        ("GET", "/api/v1/watch/namespaces/other/pods", "watch /v1 pods/ other "),
        ("GET", "/api/v1/namespaces/other/pods?watch=1", "watch /v1 pods/ other "),
        ("GET", "/api/v1/proxy/namespaces/other/pods/foo", "proxy /v1 pods/ other foo"),
        ("POST", "/api/v1/namespaces/other/pods", "create /v1 pods/ other "),
        ("PUT", "/api/v1/namespaces/other/pods/foo", "update /v1 pods/ other foo"),
        ("PATCH", "/api/v1/namespaces/other/pods/foo", "patch /v1 pods/ other foo"),
        ("DELETE", "/api/v1/namespaces/other/pods/foo", "delete /v1 pods/ other foo"),
        ("DELETE", "/api/v1/namespaces/other/pods", "deletecollection /v1 pods/ other "),
        ("DELETE", "/api/v1/nodes/", "deletecollection /v1 nodes/  "),
        ("POST", "/apis/extensions/v1/namespaces/o/pods", "create extensions/v1 pods/ o "),
        ("GET", "/apis/apps/v1/deployments", "list apps/v1 deployments/  "),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/o/deployments/d/scale",
            "patch apps/v1 deployments/scale o d",
        ),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dfoo", "list /v1 pods/  foo"),
        (
            "GET",
            "/api/v1/pods?fieldSelector=metadata.name%3D%3Dfoo&watch=true",
            "watch /v1 pods/  foo",
        ),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dfoo%2Cspec.x%3Dy", "list /v1 pods/  "),
        // No resources.
        ("GET", "/", "get -"),
        ("GET", "/api", "get -"),
        ("GET", "/api/v1", "get -"),
        ("GET", "/apis/apps", "get -"),
        ("GET", "/apis/apps/v1", "get -"),
        ("POST", "/version", "post -"),
        ("GET", "/openapi/v3/apis/apps/v1", "get -"),
        ("GET", "/logs/kube-apiserver.log", "get -"),
    ];
    for (method, target, expected) in cases {
        assert_eq!(told(method, target), expected, "{method} {target}");
    }
}

#[test]
fn what_may_be_read_in_two_ways_is_refused() {
    let paths = [
        "api/v1/pods",
        "/api/v1//pods",
        "//api/v1/pods",
        "//",
        "/api/v1/namespaces/a/../b/pods",
        "/api/v1/namespaces/a/./pods",
        "/api/v1/namespaces/a%2Fsecrets/pods",
        "/api/v1/namespaces/%2e%2e/pods",
        "/api/v1/namespaces/a%5Cb/pods",
        "/api/v1/namespaces/a%00/pods",
        "/api/v1/namespaces/a%0a/pods",
        "/api/v1/namespaces/a%/pods",
        "/api/v1/namespaces/a%4/pods",
        "/api/v1/namespaces/a%zz/pods",
        "/api/v1/namespaces/%ff/pods",
    ];
    for path in paths {
        assert!(Place::parse(path, None).is_err(), "{path}");
    }
    assert!(Place::parse("/api", Some("a=1;watch=true")).is_err());
    let twice = [
        ("GET", "/api/v1/pods?watch=false&watch=true"),
        ("GET", "/api/v1/pods?watch=0"),
        ("GET", "/api/v1/pods?fieldSelector=a%3Db&fieldSelector=c%3Dd"),
        ("GET", "/api/v1/watch"),
        ("OPTIONS", "/api/v1/pods"),
        ("LIST", "/api/v1/pods"),
    ];
    for (method, target) in twice {
        let known = place(target).info(method);
        let watch = target.ends_with("/watch");
        assert!(known.is_err() || watch && !known.unwrap().is_resource, "{method} {target}");
    }
}

#[test]
fn what_is_sent_is_what_was_read() {
    let cases = [
        ("/api/v1/pods", "/api/v1/pods"),
        ("/api/v1/pods/", "/api/v1/pods/"),
        ("/", "/"),
        ("/api/v1/namespaces/a%41/pods", "/api/v1/namespaces/aA/pods"),
        ("/api/v1/services/https:x:80/proxy/", "/api/v1/services/https:x:80/proxy/"),
        ("/x/%3Fy%23z", "/x/%3Fy%23z"),
        ("/x?command=a+b&command=c%26d", "/x?command=a%20b&command=c%26d"),
        ("/x?a", "/x?a="),
    ];
    for (given, sent) in cases {
        assert_eq!(place(given).target(), sent);
        assert_eq!(place(sent), place(given), "{given}");
    }
}

#[test]
fn the_first_part_names_the_target() {
    let (first, rest) = place("/shop/api/v1/pods?limit=5").split_first().unwrap();
    assert_eq!((first.as_str(), rest.target().as_str()), ("shop", "/api/v1/pods?limit=5"));
    assert!(place("/").split_first().is_none());
}
