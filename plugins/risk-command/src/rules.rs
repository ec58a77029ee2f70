//! What a simple command does, by rule.

use crate::paths;
use crate::shell::Command;
use crate::wrap::{SHELLS, runs_input};

/// Every rule with its default score.
// tidy: table
pub(crate) const RULES: [(&str, u8); 29] = [
    ("command.accounts", 80),
    ("command.agent_forwarding", 50),
    ("command.client", 60),
    ("command.container", 85),
    ("command.decode_run", 95),
    ("command.delete", 40),
    ("command.delete_recursive", 60),
    ("command.destroy", 95),
    ("command.disk", 95),
    ("command.download_run", 95),
    ("command.firewall", 80),
    ("command.forward", 60),
    ("command.git_force", 60),
    ("command.history", 85),
    ("command.interpreter", 50),
    ("command.logs", 90),
    ("command.package", 50),
    ("command.permissions", 70),
    ("command.persistence", 85),
    ("command.preload", 80),
    ("command.privilege", 60),
    ("command.remote", 60),
    ("command.reverse_shell", 95),
    ("command.secret", 75),
    ("command.service", 60),
    ("command.shell", 40),
    ("command.shutdown", 85),
    ("command.unread", 60),
    ("command.write", 20),
];

/// Rules that a simple command breaks, each with what it does.
pub(crate) fn broken(command: &Command) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let program = command.program();
    files(command, program, &mut found);
    running(command, program, &mut found);
    system(command, program, &mut found);
    outside(command, program, &mut found);
    for file in &command.writes {
        written(file, &mut found);
    }
    for assignment in &command.assignments {
        environment(assignment, &mut found);
    }
    found
}

type Found = Vec<(&'static str, String)>;

/// Deleting, overwriting, permissions, and what is read.
fn files(command: &Command, program: &str, found: &mut Found) {
    let long = |name: &str| command.has(&[name]);
    let recursive = command.flag('r') || command.flag('R') || long("--recursive");
    let mut add = |rule: &'static str, what: String| found.push((rule, what));
    match program {
        "rm" | "unlink" | "rmdir" | "shred" => {
            for path in command.operands() {
                if recursive && paths::is_vital(path) {
                    add("command.destroy", format!("deletes {path} with all in it"));
                } else if paths::is_history(path) {
                    add("command.history", format!("deletes {path}"));
                } else if paths::is_log(path) {
                    add("command.logs", format!("deletes {path}"));
                }
            }
            match recursive {
                true => add("command.delete_recursive", "deletes folders".to_owned()),
                false => add("command.delete", "deletes files".to_owned()),
            }
        }
        "find" if long("-delete") => {
            let vital = command.operands().next().is_none_or(paths::is_vital);
            let rule = if vital { "command.destroy" } else { "command.delete_recursive" };
            add(rule, "deletes what it finds".to_owned());
        }
        "rsync" if command.args().any(|arg| arg.starts_with("--delete")) => {
            add("command.delete_recursive", "deletes what the source lacks".to_owned());
        }
        "truncate" => add("command.delete", "cuts files".to_owned()),
        "chmod" => {
            let mode = command
                .args()
                .find(|arg| !arg.starts_with('-') || arg.contains(['r', 'w', 'x', 's']));
            let mode = mode.unwrap_or_default();
            if opens(mode) {
                add(
                    "command.permissions",
                    format!("lets everybody write or run as its owner: {mode}"),
                );
            }
        }
        "chown" | "chattr" | "setfacl" | "setcap" => {
            add("command.permissions", format!("changes owners or rights ({program})"));
        }
        _ => {}
    }
    let writes =
        matches!(program, "tee" | "cp" | "mv" | "install" | "ln" | "sed" | "ed" | "truncate");
    let target = match program {
        "tee" | "truncate" => command.operands().collect(),
        "sed"
            if !command
                .args()
                .any(|arg| arg.starts_with("-i") || arg.starts_with("--in-place")) =>
        {
            Vec::new()
        }
        _ if writes => command.operands().last().into_iter().collect::<Vec<_>>(),
        "vi" | "vim" | "nano" | "emacs" => command.operands().collect(),
        _ => Vec::new(),
    };
    target.into_iter().for_each(|path| written(path, found));
    for path in command.operands().filter(|path| paths::is_secret(path)) {
        found.push(("command.secret", format!("names {path}, which holds secrets")));
    }
}

/// A mode that lets others write, or that makes a program run as its owner.
fn opens(mode: &str) -> bool {
    if !mode.is_empty() && mode.chars().all(|letter| letter.is_digit(8)) {
        let others = mode.chars().last().and_then(|letter| letter.to_digit(8)).unwrap_or(0);
        let special = mode.len() == 4 && matches!(mode.chars().next(), Some('2'..='7'));
        return others & 2 != 0 || special;
    }
    mode.split(',').any(|part| {
        let (who, rights) = part.split_once(['+', '=']).unwrap_or((part, ""));
        let all = who.is_empty() || who.contains(['a', 'o']);
        (all && rights.contains('w')) || rights.contains('s')
    })
}

fn written(path: &str, found: &mut Found) {
    let (rule, what) = if paths::is_disk(path) {
        ("command.disk", "overwrites the disk")
    } else if paths::is_history(path) {
        ("command.history", "overwrites the history")
    } else if paths::is_log(path) {
        ("command.logs", "overwrites the log")
    } else if paths::is_lasting(path) {
        ("command.persistence", "changes who may come in or what runs by itself:")
    } else if path == "/dev/null" {
        return;
    } else if paths::is_network(path) {
        ("command.reverse_shell", "opens a connection of the shell:")
    } else {
        ("command.write", "writes")
    };
    found.push((rule, format!("{what} {path}")));
}

fn environment(assignment: &str, found: &mut Found) {
    let name = assignment.split('=').next().unwrap_or_default();
    match name {
        "LD_PRELOAD" | "LD_LIBRARY_PATH" | "LD_AUDIT" | "BASH_ENV" | "PROMPT_COMMAND"
        | "PYTHONSTARTUP" | "GIT_SSH_COMMAND" => {
            found.push(("command.preload", format!("has code loaded by {name}")));
        }
        "HISTFILE" | "HISTSIZE" | "HISTFILESIZE" | "HISTCONTROL" | "HISTIGNORE" => {
            found.push(("command.history", format!("changes {name}")));
        }
        _ => {}
    }
}

/// Code from elsewhere, and code that can't be looked into.
fn running(command: &Command, program: &str, found: &mut Found) {
    let mut add = |rule: &'static str, what: String| found.push((rule, what));
    let fetches = |name: &str| matches!(name, "curl" | "wget" | "fetch" | "aria2c");
    let decodes =
        |name: &str| matches!(name, "base64" | "base32" | "xxd" | "openssl" | "uudecode" | "gpg");
    let first = |words: &Vec<crate::shell::Word>| {
        words.first().map(|word| crate::shell::base(&word.text).to_owned()).unwrap_or_default()
    };
    let feeders: Vec<String> = command.from.iter().map(first).collect();
    if runs_input(&command.words) && !feeders.is_empty() {
        if feeders.iter().any(|name| fetches(name)) {
            add("command.download_run", "runs what it downloads".to_owned());
        } else if feeders.iter().any(|name| decodes(name)) {
            add("command.decode_run", "runs what it decodes".to_owned());
        } else {
            add("command.unread", format!("{program} runs what is piped into it"));
        }
    }
    let runs_inner = SHELLS.contains(&program) || matches!(program, "eval" | "source" | "." | "");
    if runs_inner && command.inner.iter().any(|name| fetches(name)) {
        add("command.download_run", "runs what it downloads".to_owned());
    } else if runs_inner && command.inner.iter().any(|name| decodes(name)) {
        add("command.decode_run", "runs what it decodes".to_owned());
    }
    match program {
        "python" | "perl" | "ruby" | "php" | "node" | "lua" | "awk" | "gawk" | "tclsh"
        | "osascript"
            if command.flag('c')
                || command.flag('e')
                || command.flag('r')
                || program.ends_with("awk") =>
        {
            let sockets = command.args().any(|arg| {
                ["socket", "subprocess", "os.system", "exec", "system(", "popen"]
                    .iter()
                    .any(|word| arg.contains(word))
            });
            if sockets && command.args().any(|arg| arg.contains("socket") || arg.contains("/inet/"))
            {
                add("command.reverse_shell", format!("{program} opens a socket"));
            } else if !program.ends_with("awk") || sockets {
                add("command.interpreter", format!("{program} runs code that can't be judged"));
            }
        }
        "history" if command.flag('c') || command.flag('d') => {
            add("command.history", "clears the history".to_owned());
        }
        "unset" | "export" | "declare" | "set" | "shopt"
            if command.args().any(|arg| arg.starts_with("HIST") || arg == "history") =>
        {
            add("command.history", "turns the history off".to_owned());
        }
        _ => {}
    }
    if program == "export" {
        let names: Vec<&str> = command.operands().collect();
        names.into_iter().for_each(|assignment| environment(assignment, found));
    }
}

/// Disks, accounts, services, firewalls, packages.
// tidy: table
fn system(command: &Command, program: &str, found: &mut Found) {
    let mut add = |rule: &'static str, what: String| found.push((rule, what));
    let verb = command.operands().next().unwrap_or_default();
    match program {
        "dd" => {
            let disk = |arg: &str| arg.strip_prefix("of=").is_some_and(paths::is_disk);
            if command.args().any(disk) {
                add("command.disk", "overwrites a disk".to_owned());
            }
        }
        "wipefs" | "blkdiscard" | "fdisk" | "sfdisk" | "sgdisk" | "gdisk" | "parted"
        | "lvremove" | "vgremove" | "pvremove" | "mdadm" | "hdparm" | "swapoff" => {
            add("command.disk", format!("changes disks ({program})"));
        }
        "zpool" | "zfs" | "btrfs" if command.has(&["destroy", "delete", "labelclear"]) => {
            add("command.disk", format!("destroys file systems ({program})"));
        }
        "cryptsetup" if command.args().any(|arg| arg.starts_with("luks")) => {
            add("command.disk", "changes encrypted disks".to_owned());
        }
        "sudo" | "doas" | "su" | "pkexec" | "runuser" => {
            add("command.privilege", format!("becomes somebody else ({program})"));
        }
        "useradd" | "adduser" | "usermod" | "userdel" | "deluser" | "groupadd" | "gpasswd"
        | "passwd" | "chpasswd" | "visudo" | "chsh" | "vipw" => {
            add("command.accounts", format!("changes accounts ({program})"));
        }
        "shutdown" | "reboot" | "halt" | "poweroff" | "telinit" => {
            add("command.shutdown", format!("stops the machine ({program})"));
        }
        "init" if matches!(verb, "0" | "6") => {
            add("command.shutdown", "stops the machine".to_owned())
        }
        "systemctl" | "service" | "rc-service" | "launchctl" => {
            let words =
                ["stop", "disable", "mask", "restart", "kill", "isolate", "unload", "bootout"];
            if command.has(&["poweroff", "reboot", "halt", "kexec", "rescue", "emergency"]) {
                add("command.shutdown", "stops the machine".to_owned());
            } else if command.has(&words) {
                add("command.service", format!("stops services ({program})"));
            } else if command.has(&["enable", "edit", "link", "load", "bootstrap"]) {
                add("command.persistence", "has something run by itself".to_owned());
            }
        }
        "kill" | "pkill" | "killall" | "killall5" => {
            let all = program == "killall5"
                || command.operands().any(|id| id == "1")
                || command.has(&["-1"]);
            let rule = if all { "command.shutdown" } else { "command.service" };
            add(rule, format!("ends processes ({program})"));
        }
        "crontab" | "at" | "batch" if !command.flag('l') => {
            add("command.persistence", "has something run by itself".to_owned());
        }
        "ssh-copy-id" => add("command.persistence", "lets a key in".to_owned()),
        "iptables" | "ip6tables" | "nft" | "ufw" | "firewall-cmd" | "setenforce" | "aa-disable"
        | "aa-teardown" | "sysctl" | "insmod" | "modprobe" | "rmmod"
            if !command.has(&["-L", "-S", "list", "status", "--list-all"]) =>
        {
            add("command.firewall", format!("changes what protects the machine ({program})"));
        }
        "auditctl" | "journalctl" | "logrotate" | "wtmpclean"
            if program != "journalctl"
                || command.args().any(|arg| arg.starts_with("--vacuum") || arg == "--rotate") =>
        {
            add("command.logs", format!("changes logs ({program})"));
        }
        "apt" | "apt-get" | "yum" | "dnf" | "apk" | "zypper" | "pacman" | "rpm" | "dpkg"
        | "snap" | "brew" | "pip" | "pip3" | "npm" | "gem" | "cargo" | "go" => {
            let words =
                ["install", "add", "remove", "purge", "upgrade", "dist-upgrade", "erase", "i"];
            let short =
                matches!(program, "rpm" | "dpkg") && (command.flag('i') || command.flag('e'));
            if short
                || command.has(&words)
                || (program == "pacman" && (command.flag('S') || command.flag('R')))
            {
                add("command.package", format!("installs or removes software ({program})"));
            }
        }
        name if name.starts_with("mkfs") || name == "mkswap" => {
            add("command.disk", format!("formats a disk ({name})"));
        }
        _ => {}
    }
}

/// Other machines, containers, and the doors that other gateways guard.
// tidy: table
fn outside(command: &Command, program: &str, found: &mut Found) {
    let mut add = |rule: &'static str, what: String| found.push((rule, what));
    match program {
        "nc" | "ncat" | "netcat" | "socat" => {
            let runs = command.flag('e')
                || command.flag('c')
                || command.args().any(|arg| {
                    arg.to_lowercase().contains("exec:") || arg.starts_with("--sh-exec")
                });
            let shell = command.from.iter().any(|words| runs_input(words)) || runs;
            let rule = if shell { "command.reverse_shell" } else { "command.remote" };
            add(rule, format!("opens a connection ({program})"));
        }
        "ssh" | "scp" | "sftp" | "rsync" | "telnet" | "ftp" | "curl" | "wget" | "rclone" => {
            let remote = match program {
                "rsync" => command.operands().any(|arg| arg.contains(':')),
                // Reading a page is no more than reading.
                "curl" => command.args().any(|arg| {
                    matches!(arg, "--data" | "-d" | "-T" | "-F" | "--upload-file" | "--form")
                        || arg.starts_with("--data-")
                        || arg.contains("=@")
                }),
                "wget" => command.args().any(|arg| arg.starts_with("--post")),
                _ => true,
            };
            if remote {
                add("command.remote", format!("reaches another machine ({program})"));
            }
        }
        "kubectl" | "oc" | "helm" => {
            let words = ["delete", "drain", "exec", "uninstall", "apply", "patch", "scale", "edit"];
            let rule = if command.has(&words) { "command.container" } else { "command.client" };
            add(rule, format!("reaches the cluster past its gateway ({program})"));
        }
        "psql" | "pg_dump" | "pg_dumpall" | "mysql" | "mysqldump" | "mongosh" | "mongo"
        | "redis-cli" | "sqlplus" | "sqlcmd" | "aws" | "gcloud" | "az" | "terraform" | "vault" => {
            add("command.client", format!("reaches another system past its gateway ({program})"));
        }
        "docker" | "podman" | "nerdctl" | "ctr" => {
            let host = command.has(&["--privileged", "--pid=host", "--net=host", "--network=host"])
                || command.args().any(|arg| {
                    arg.starts_with("/:") || arg.contains("=/:") || arg.contains("docker.sock")
                });
            let ends = command.has(&["rm", "rmi", "prune", "kill", "stop"]);
            if host {
                add("command.container", "gives a container the machine".to_owned());
            } else if ends {
                add("command.service", "ends or deletes containers".to_owned());
            }
        }
        "nsenter" | "chroot" | "unshare" | "mount" | "umount" => {
            add("command.container", format!("changes what a process sees ({program})"));
        }
        "git" => {
            let verb = command.operands().next().unwrap_or_default();
            let force = match verb {
                "push" => {
                    command.flag('f')
                        || command
                            .args()
                            .any(|arg| arg.starts_with("--force") || arg.starts_with('+'))
                }
                "reset" => command.has(&["--hard"]),
                "clean" => command.flag('f'),
                "filter-branch" | "update-ref" => true,
                _ => false,
            };
            if force {
                add("command.git_force", format!("throws work away (git {verb})"));
            }
        }
        shell
            if SHELLS.contains(&shell)
                && command.writes.iter().any(|path| paths::is_network(path)) =>
        {
            add("command.reverse_shell", "gives a shell to another machine".to_owned());
        }
        _ => {}
    }
}
