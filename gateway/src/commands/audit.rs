//! `portcullis audit`: copies of the log.

use std::io::Write;

use super::client::Client;
use super::{Stop, print};
use crate::cli::Audit;

pub(super) async fn run(command: Audit, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Audit::Snapshot { admin, out: file } => {
            let client = Client::new(&admin)?;
            if file.exists() {
                return Err(Stop::usage(format!("{} exists already", file.display())));
            }
            let bytes = client.download("/v1/log/snapshot", &file).await?;
            print(out, &format!("{}: {bytes} bytes", file.display()))
        }
    }
}
