use super::ids;

const TEXT: &str = "root:x:0:0:root:/:/bin/bash\n\
    postgresql:x:50:51::/:/bin/false\n\
    postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n\
    nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

#[test]
fn accounts_are_found_by_their_whole_name() {
    assert_eq!(ids(TEXT, "postgres"), Some((101, 104)));
    assert_eq!(ids(TEXT, "nobody"), Some((65534, 65533)));
    assert_eq!(ids(TEXT, "post"), None);
    assert_eq!(ids("postgres:x:101\n", "postgres"), None);
}

#[test]
fn root_under_another_name_is_refused() {
    assert_eq!(ids("postgres:x:0:0::/:/bin/sh\n", "postgres"), None);
}
