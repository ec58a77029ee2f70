//! The `portcullis` program: arguments in, exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use portcullis::cli::{Cli, EXIT_FAILED, EXIT_USAGE};
use portcullis::commands::{self, Stop};
use tracing_subscriber::EnvFilter;

/// Many small pieces live and die with each request; glibc's allocator costs more for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The environment variable that says what is logged, such as `debug` or `portcullis=trace`.
const LOG_VARIABLE: &str = "PORTCULLIS_LOG";

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let outcome = log(cli.log_default()).and_then(|()| no_core_files()).and_then(|()| run(cli));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            if !stop.message.is_empty() {
                // With standard error gone there is nobody left to tell.
                let _ = writeln!(std::io::stderr(), "{}", stop.message);
            }
            stop.code.into()
        }
    }
}

/// Logs to standard error; standard output is for what was asked.
fn log(default: &str) -> Result<(), Stop> {
    let directives = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(directives).map_err(|error| Stop {
        code: EXIT_USAGE,
        message: format!("{LOG_VARIABLE} is wrong: {error}").into(),
    })?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}

/// The memory holds tokens, passwords and keys, so no crash may leave a picture of it: a process
/// that can't be dumped makes no core file and gives none to a collector either (prctl(2)).
fn no_core_files() -> Result<(), Stop> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)
        .and_then(|()| rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| Stop {
            code: EXIT_FAILED,
            message: format!("can't keep core files from being written: {error}").into(),
        })
}

fn run(cli: Cli) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Stop {
        code: EXIT_FAILED,
        message: format!("can't start the threads of the gateway: {error}").into(),
    })?;
    runtime.block_on(async {
        let mut out = std::io::stdout();
        commands::run(cli, &mut out).await?;
        out.flush().map_err(Stop::from)
    })
}
