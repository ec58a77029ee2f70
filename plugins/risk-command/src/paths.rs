//! Paths that matter.

/// A path without its doubled slashes and with the user's folder as `~`.
fn plain(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for part in path
        .split('/')
        .enumerate()
        .filter(|(at, part)| *at == 0 || (!part.is_empty() && *part != "."))
    {
        if part.0 > 0 {
            out.push('/');
        }
        out.push_str(part.1);
    }
    out.replace("$HOME", "~").replace("${HOME}", "~")
}

/// A folder without which the machine, or a person's work, is lost.
pub(crate) fn is_vital(path: &str) -> bool {
    const FOLDERS: [&str; 20] = [
        "", "~", ".", "..", "*", "bin", "boot", "dev", "etc", "lib", "lib64", "opt", "proc",
        "root", "sbin", "srv", "sys", "usr", "var", "home",
    ];
    let path = plain(path);
    let path = path.trim_end_matches("/*").trim_end_matches('/');
    let name = path.strip_prefix('/').unwrap_or(path);
    let depth = name.split('/').count();
    let home = matches!(name.split('/').next(), Some("home" | "Users")) && depth == 2;
    // A relative `bin` is a folder of somebody's; the names below stand at the top.
    let top = path.starts_with('/') || matches!(name, "" | "~" | "." | ".." | "*");
    let data = ["/var/lib", "/usr/bin", "/usr/lib", "/etc/ssh", "/var/lib/postgresql"];
    (top && FOLDERS.contains(&name)) || (path.starts_with('/') && home) || data.contains(&path)
}

/// A disk or the memory of the machine.
pub(crate) fn is_disk(path: &str) -> bool {
    const DISKS: [&str; 9] = ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "dm-", "disk", "mapper/"];
    let path = plain(path);
    path.strip_prefix("/dev/").is_some_and(|name| {
        DISKS.iter().any(|disk| name.starts_with(disk)) || matches!(name, "mem" | "kmem" | "port")
    })
}

/// A connection in place of a file.
pub(crate) fn is_network(path: &str) -> bool {
    path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/")
}

/// What a shell or a client remembers of its input.
pub(crate) fn is_history(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with('.') && name.ends_with("_history")
}

/// A log of the system.
pub(crate) fn is_log(path: &str) -> bool {
    let path = plain(path);
    path == "/var/log" || path.starts_with("/var/log/") || path.starts_with("/run/log/journal")
}

/// What decides who may come in, or what runs by itself.
pub(crate) fn is_lasting(path: &str) -> bool {
    const FOLDERS: [&str; 13] = [
        "/etc/cron",
        "/var/spool/cron",
        "/etc/systemd/",
        "/lib/systemd/",
        "/usr/lib/systemd/",
        "/etc/init.d/",
        "/etc/pam.d/",
        "/etc/profile",
        "/etc/ld.so",
        "/etc/ssh/",
        "/etc/sudoers",
        "/etc/rc.local",
        "/boot/",
    ];
    const FILES: [&str; 5] =
        ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/hosts", "/etc/resolv.conf"];
    const NAMES: [&str; 9] = [
        "authorized_keys",
        "authorized_keys2",
        ".bashrc",
        ".profile",
        ".bash_profile",
        ".zshrc",
        ".zprofile",
        ".vimrc",
        ".gitconfig",
    ];
    let path = plain(path);
    let name = path.rsplit('/').next().unwrap_or_default();
    FOLDERS.iter().any(|folder| path.starts_with(folder))
        || FILES.contains(&path.as_str())
        || NAMES.contains(&name)
        || path.contains("/.ssh/")
        || path.contains("/.config/systemd/")
        || path.contains("/.config/autostart/")
}

/// What holds passwords, keys or tokens.
pub(crate) fn is_secret(path: &str) -> bool {
    const FILES: [&str; 3] = ["/etc/shadow", "/etc/gshadow", "/etc/sudoers"];
    const NAMES: [&str; 8] = [
        ".pgpass",
        ".netrc",
        ".git-credentials",
        ".my.cnf",
        ".npmrc",
        ".pypirc",
        ".env",
        ".vault-token",
    ];
    const ENDS: [&str; 5] = [
        "/.aws/credentials",
        "/.kube/config",
        "/.docker/config.json",
        "/.config/gcloud/application_default_credentials.json",
        "/environ",
    ];
    let path = plain(path);
    let name = path.rsplit('/').next().unwrap_or_default();
    let key = name.starts_with("id_") && !name.ends_with(".pub");
    FILES.contains(&path.as_str())
        || NAMES.contains(&name)
        || ENDS.iter().any(|end| path.ends_with(end))
        || (path.contains(".ssh/") && (key || name == "*"))
        || name.ends_with("_key") && path.starts_with("/etc/ssh/")
        || name.ends_with(".pem")
        || name.ends_with(".key")
        || name.ends_with(".kdbx")
        || path.starts_with("/var/run/secrets/")
        || path.starts_with("/run/secrets/")
}
