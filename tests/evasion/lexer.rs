//! Texts that a careless reader reads otherwise than PostgreSQL does.

use crate::case::{Case, effect, leak};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    effect("> glued to a comment", "SELECT 1 >-- '\n 2; DELETE FROM orders --'", ORDERS),
    effect("< glued to a comment", "SELECT 1 <-- '\n 2; DELETE FROM orders --'", ORDERS),
    effect("= glued to a comment", "SELECT 1 =-- '\n 2; DELETE FROM orders --'", ORDERS),
    effect("+ glued to a comment", "SELECT 1 +-- '\n 2; DELETE FROM orders --'", ORDERS),
    effect("<> glued to a comment", "SELECT 1 <>-- '\n 2; DELETE FROM orders --'", ORDERS),
    effect("|| glued to a comment", "SELECT 'a' ||-- '\n 'b'; DELETE FROM orders --'", ORDERS),
    effect(
        "-> glued to a comment",
        "SELECT '{}'::json ->-- '\n 'b'; DELETE FROM orders --'",
        ORDERS,
    ),
    effect("~ glued to a comment", "SELECT 'a' ~-- '\n 'b'; DELETE FROM orders --'", ORDERS),
    effect("# glued to a comment", "SELECT 1 #-- '\n 2; DELETE FROM orders --'", ORDERS),
    effect("& glued to a block", "SELECT 1 &/* '*/ 2; DELETE FROM orders --'", ORDERS),
    effect("< glued to a block", "SELECT 1 </* '*/ 2; DELETE FROM orders --'", ORDERS),
    effect("|| glued to a block", "SELECT 'a' ||/* '*/ 'b'; DELETE FROM orders --'", ORDERS),
    effect("* glued to a block", "SELECT 2 */* '*/ 2; DELETE FROM orders --'", ORDERS),
    effect("% glued to a block", "SELECT 2 %/* '*/ 2; DELETE FROM orders --'", ORDERS),
    effect("@ glued to a block", "SELECT @/* '*/ 2; DELETE FROM orders --'", ORDERS),
    effect("a comment that a carriage return ends", "--x\rDELETE FROM orders", ORDERS),
    effect("a comment, a carriage return, another", "SELECT 1 --\r;DELETE FROM orders --", ORDERS),
    effect("a form feed between words", "DELETE\x0cFROM\x0corders", ORDERS),
    effect("tabs and returns between words", "\t\r\n DELETE\t\r\nFROM\r\torders", ORDERS),
    effect("nested comments", "/* /* */ SELECT 1; /* */ */ DELETE FROM orders", ORDERS),
    effect("a quote in a comment", "SELECT 1 /* ' */; DELETE FROM orders --'", ORDERS),
    effect("a comment's end in a comment", "/*/**/*/DELETE/**/FROM/**/orders", ORDERS),
    effect("dashes in a block", "/* -- */ DELETE FROM orders", ORDERS),
    effect("a block's start behind dashes", "SELECT 1 -- /*\n; DELETE FROM orders -- */", ORDERS),
    effect("a backslash that escapes nothing", "SELECT '\\'; DELETE FROM orders; --'", ORDERS),
    effect("a backslash that escapes", "SELECT E'\\'' ; DELETE FROM orders --'", ORDERS),
    effect("two quotes", "SELECT ''''; DELETE FROM orders --'", ORDERS),
    effect("a quote in dollars", "SELECT $a$'$a$; DELETE FROM orders --'", ORDERS),
    effect("dollars in dollars", "SELECT $a$ $b$ $a$; DELETE FROM orders; --$b$", ORDERS),
    effect("dollars in a name", "SELECT 1 AS x$$; DELETE FROM orders; SELECT 1 AS x$$", ORDERS),
    effect("a tag in a name", "SELECT 1 AS x$t$; DELETE FROM orders; SELECT 1 AS x$t$", ORDERS),
    effect("dashes in a name", "SELECT 1 AS \"--\"; DELETE FROM orders", ORDERS),
    effect("a block in a name", "SELECT 1 AS \"/*\"; DELETE FROM orders; SELECT '*/'", ORDERS),
    effect("a block in strings", "SELECT '/*'; DELETE FROM orders; SELECT '*/'", ORDERS),
    effect("a name with quotes", "SELECT 1 AS \"a\"\"'\"; DELETE FROM orders --'", ORDERS),
    effect("a string that goes on", "SELECT 'a'\n'b;'; DELETE FROM orders", ORDERS),
    effect(
        "a string that goes on past a comment",
        "SELECT 'a' --'\n'b'; DELETE FROM orders --'",
        ORDERS,
    ),
    effect("bits before it", "SELECT B'01', X'1F', N'a'; DELETE FROM orders", ORDERS),
    effect("letters in other cases", "dElEtE fRoM OrDeRs", ORDERS),
    effect("a name in escapes", "DELETE FROM U&\"\\006frders\"", ORDERS),
    effect("a name in escapes of one's own", "DELETE FROM U&\"!006frders\" UESCAPE '!'", ORDERS),
    effect(
        "a name longer than names can be",
        "DELETE FROM loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong_and_more",
        "SELECT count(*) FROM loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong",
    )
    .after(
        "CREATE TABLE loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong AS \
         SELECT 1",
    ),
    effect("nothing between words", "DELETE FROM\"orders\"WHERE\"id\"in(1)or(false)", ORDERS),
    leak("a hidden column in escapes", "SELECT U&\"\\0073ecret\" FROM people"),
    leak("a hidden column in long escapes", "SELECT U&\"s\\+000065cret\" FROM people"),
    leak(
        "a hidden column in escapes of one's own",
        "SELECT U&\"!0073ecret\" UESCAPE '!' AS a FROM people",
    ),
    leak("a hidden column in quotes", "SELECT\"secret\"FROM\"public\".\"people\""),
    leak("a hidden column in other cases", "SELECT SeCrEt FROM PEOPLE"),
    leak("a hidden column in brackets", "SELECT(((secret)))FROM people"),
    leak("comments in a hidden column's name", "SELECT p/**/./**/secret FROM people/**/p"),
    leak("a database's name before it", "SELECT {database}.public.people.secret FROM people"),
    leak(
        "an alias longer than names can be",
        "SELECT secret AS \
          loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong_and_more FROM people",
    ),
    leak(
        "a hidden column whose name is too long",
        "SELECT coooooooooooooooooooooooooooooooooooooooooooooooooooooooooooode_too FROM odd",
    ),
    leak("a hidden column with letters of its own", "SELECT U&\"caf\\00e9\" FROM odd"),
    leak("a hidden column in a mixed case", "SELECT \"Mixed Case\" FROM odd"),
    leak("a hidden column with quotes in its name", "SELECT \"quo\"\"te.d\" FROM odd"),
    leak("a hidden number behind a sign", "SELECT+pin,@pin FROM people"),
    leak("an alias that is the table's name", "SELECT notes.secret FROM people AS notes"),
    leak("an alias that is another column's name", "SELECT secret AS name FROM people"),
    leak("columns renamed in passing", "SELECT a FROM people AS p (id, b, c, a) WHERE id = 1"),
    leak("the word FROM as a name", "SELECT secret \"from\" FROM people \"select\""),
];
