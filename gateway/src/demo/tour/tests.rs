#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::word;

#[test]
fn ids_are_found_in_the_words_around_them() {
    let notice = "NOTICE:  approval apr_abc123 pending: data-owners has 300 s to answer\n";
    assert_eq!(word(notice, "apr_"), Some("apr_abc123"));
    let listed = "apr_x  risk 40\n  on         shop / shop / shop_app, in ses_0190-ab\n";
    assert_eq!(word(listed, "ses_"), Some("ses_0190-ab"));
    assert_eq!(word("an id looks like apr_ and more", "apr_"), None);
}
