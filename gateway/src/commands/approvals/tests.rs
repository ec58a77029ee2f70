#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;

use super::question;

#[test]
fn a_question_reads_as_a_whole() {
    let text = question(&json!({
        "id": "apr_abcdefghijklmnop", "session": "ses_1", "target": "shop", "role": "shop_app",
        "database": "shop", "risk": 60, "age_secs": 15, "asked_at": 1000, "deadline_at": 1600,
        "reason": "deletes rows", "in_transaction": true, "search_path": "public",
        "requester": { "issuer": "okta", "subject": "alice", "email": "alice@acme.example",
                       "client": "0oa-agents", "actors": ["agent-7", "svc"] },
        "findings": [{ "plugin": "risk", "rule": "sql.delete", "score": 60, "message": "deletes" }],
        "approvers": ["data-owners"], "statement_beyond_ascii": true,
        "statement": "DELETE FROM orders\n  risk 0, harmless\nWHERE id = $1",
        "statement_bytes": 52, "parameters": ["7\n$2 8", "NULL"],
    }));
    let expected = "\
apr_abcdefghijklmnop  risk 60, asked 15 s ago, 585 s left
  asked by   alice (okta)
  mail       alice@acme.example
  client     0oa-agents
  acting     agent-7, svc
  on         shop / shop / shop_app, in ses_1
  because    deletes rows
  finding    risk sql.delete (60): deletes
  approvers  data-owners
  state      inside an open transaction, whose locks it holds while it waits
  path       public
  warning    it has characters beyond ASCII, which may look like others
  statement  52 bytes
             | DELETE FROM orders
             |   risk 0, harmless
             | WHERE id = $1
  $1         7<U+000A>$2 8
  $2         NULL
";
    assert_eq!(text, expected);
}
