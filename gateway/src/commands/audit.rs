//! `portcullis audit`: copies of the log, and the judgement of one.

use std::io::Write;

use super::client::Client;
use super::{Stop, print};
use crate::audit::verify::{Pins, verify};
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
        Audit::Verify { path, key, checkpoint, json } => {
            let judgement = verify(&path, &Pins { key_file: key, checkpoint_file: checkpoint });
            let text = if json {
                serde_json::to_string(&judgement)
                    .map_err(|_| Stop::failed("the judgement can't be written as JSON"))?
            } else {
                judgement.to_string()
            };
            print(out, &text)?;
            match judgement.exit_code() {
                0 => Ok(()),
                code => Err(Stop { code, message: "".into() }),
            }
        }
    }
}
