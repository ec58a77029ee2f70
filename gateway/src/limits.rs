//! Every bound in the system: one constant each, the unit last in its name.
//!
//! A bound that an operator may change lives in the configuration; its default is here.
//! Those of judging and of the log have files of their own.

mod audit;
mod policy;

pub use audit::*;
pub use policy::*;

/// Longest start-up packet that a PostgreSQL client may send (PostgreSQL:
/// `MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_PACKET_BYTES_MAX: usize = 10_000;
/// Longest password message, and so longest token on the PostgreSQL wire
/// (PostgreSQL: `PG_MAX_AUTH_TOKEN_LENGTH`).
pub const AUTH_MESSAGE_BYTES_MAX: usize = 65_535;
/// How long a client may take from connecting until it is signed in.
pub const SIGN_IN_MILLIS_MAX: u64 = 20_000;
/// Longest client message after sign-in that has no bound of its own; a statement can't be longer.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Longest message of a client that carries values: Bind, FunctionCall. In base64 they fit into
/// one payload of the log, which is stored in parts.
pub const CLIENT_VALUES_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Foreign tables that a target may list as holding only what their names say.
pub const FOREIGN_TABLES_MAX: usize = 256;
/// Functions that a target may open to calls by object id.
pub const FUNCTION_CALLS_COUNT_MAX: usize = 256;
/// Longest CopyData message of a client (PostgreSQL: `MaxAllocSize`). It is passed on in pieces.
pub const COPY_MESSAGE_BYTES_MAX: usize = 1024 * 1024 * 1024 - 1;
/// Bytes of a client's rows for a COPY that are recorded and passed on at once.
pub const COPY_RUN_BYTES_MAX: usize = 256 * 1024;
/// Longest token of any protocol.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Prepared statements a session may hold at once.
pub const PREPARED_STATEMENTS_MAX: usize = 10_000;
/// Portals a session may hold at once.
pub const PORTALS_MAX: usize = 1_000;
/// Bytes of the texts of all prepared statements of a session.
pub const PREPARED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the values of all portals of a session.
pub const PORTALS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// From this size on a text or a portal's values are counted; smaller ones are bounded by their
/// number.
pub const NAMED_BYTES_LARGE: usize = 4 * 1024;
/// Longest name of a prepared statement or portal (PostgreSQL: `NAMEDATALEN` - 1). The server cuts
/// longer ones, so two of them could be one to it and two to the gateway.
pub const NAME_BYTES_MAX: usize = 63;
/// Longest command of a replication session.
pub const REPLICATION_COMMAND_BYTES_MAX: usize = 16 * 1024;
/// Longest message of a target that is taken whole.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// From this body size on a row is not taken whole but in pieces.
pub const LARGE_ROW_BYTES_MIN: usize = 2 * 1024 * 1024;
/// Longest message of a COPY with masked columns. With what came before it in the same read it
/// stays below `PAYLOAD_BYTES_MAX`.
pub const COPY_ROW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// From this size on a cell of a large row that has masks waits outside of memory. Not above
/// `SCAN_CELL_BYTES_MAX`: a larger one is not shown to plugins.
pub const LARGE_CELL_BYTES_MIN: usize = 1024 * 1024;
/// Bytes of a large row's smaller cells that are held in memory until its end.
pub const LARGE_ROW_HELD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest piece of a large row.
pub const LARGE_PIECE_BYTES_MAX: usize = 1024 * 1024;
/// Longest message of a target before sign-in is done.
pub const SERVER_AUTH_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How long connecting to a target and signing in there may take.
pub const UPSTREAM_CONNECT_MILLIS_MAX: u64 = 10_000;
/// Iterations of SCRAM that a target may ask for (CVE-2026-6664 and its kind: a bound on its work).
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// Bytes read from a socket at once.
pub const READ_BYTES: usize = 64 * 1024;
/// Connections that one listener serves at once.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Longest pause of the accept loop after errors such as too many open files.
pub const ACCEPT_BACKOFF_MILLIS_MAX: u64 = 1_000;
/// Messages a client may send ahead of the answers.
pub const PIPELINE_MESSAGES_MAX: usize = 20_000;
/// How often a held client is told that it still waits.
pub const HOLD_NOTICE_SECS: u64 = 15;
/// Bytes a held client may send ahead.
pub const HOLD_READ_AHEAD_BYTES_MAX: usize = 256 * 1024;
/// How often the configuration and the plugin files are looked at for changes.
pub const RELOAD_POLL_MILLIS: u64 = 250;
/// How often a refused configuration is read again, for what it names is not watched.
pub const RELOAD_RETRY_MILLIS: u64 = 2_000;
/// How long sessions may go on after the order to stop.
pub const DRAIN_MILLIS_MAX: u64 = 5_000;
/// How long a refused connection stays open so that the client can read why.
pub const LINGER_MILLIS_MAX: u64 = 500;
/// Bytes that are still read from a refused connection.
pub const LINGER_BYTES_MAX: usize = 64 * 1024;

// Identity.

/// Longest text of one claim that names someone or something (`sub`, `uid`, `jti`, a group, ...).
pub const CLAIM_TEXT_BYTES_MAX: usize = 255;
/// Most groups in one token. Okta itself refuses to issue more than 100 from one filter.
pub const GROUPS_COUNT_MAX: usize = 512;
/// Most scopes in one token.
pub const SCOPES_COUNT_MAX: usize = 256;
/// Most audiences in one token, for an issuer that may name several.
pub const AUDIENCES_COUNT_MAX: usize = 16;
/// Longest delegation chain (`act` in `act`) in one token.
pub const ACTORS_DEPTH_MAX: usize = 8;
/// Most of a claim's text that an error message repeats.
pub const CLAIM_SHOWN_CHARS_MAX: usize = 120;
/// Largest clock skew an operator may configure for an issuer.
pub const SKEW_SECS_MAX: u64 = 120;
/// Smallest RSA modulus of a signing key (NIST SP 800-131A).
pub const RSA_MODULUS_BITS_MIN: usize = 2048;
/// Smallest RSA public exponent of a signing key.
pub const RSA_EXPONENT_MIN: u64 = 65_537;
/// Largest discovery document or key set that is read.
pub const ISSUER_DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Most header bytes of an issuer's answer.
pub const ISSUER_HEADERS_BYTES_MAX: usize = 64 * 1024;
/// Most keys in one key set.
pub const ISSUER_KEYS_COUNT_MAX: usize = 64;
/// How long one request to an issuer may take, from connecting to the last byte.
pub const ISSUER_FETCH_MILLIS_MAX: u64 = 5_000;
/// Longest time between two fetches of a key set.
pub const KEYS_REFRESH_SECS_MAX: u64 = 3_600;
/// Shortest time between two scheduled fetches of a key set, whatever its Cache-Control says.
pub const KEYS_REFRESH_SECS_MIN: u64 = 60;
/// First pause after a failed fetch; it doubles up to `KEYS_REFRESH_SECS_MIN`.
pub const KEYS_RETRY_MILLIS_MIN: u64 = 1_000;
/// How long the last good key set is used while its issuer can't be reached.
pub const KEYS_STALE_SECS_MAX: u64 = 24 * 3_600;
/// How long a request waits for a key set that may hold its unknown key.
pub const KEY_WAIT_MILLIS_MAX: u64 = 2_000;
/// Fetches that unknown keys may cause at once.
pub const KEY_FETCH_BURST: u32 = 3;
/// Time after which unknown keys may cause one more fetch.
pub const KEY_FETCH_REFILL_SECS: u64 = 30;
/// How long a key that the issuer does not have is remembered as such.
pub const KEY_MISS_SECS: u64 = 60;
/// Most keys remembered as missing, per issuer.
pub const KEY_MISSES_COUNT_MAX: usize = 1_024;
/// How long a verified token is taken as verified without looking at it again.
pub const VERDICT_SECS_MAX: i64 = 60;
/// Most verified tokens remembered, over all shards.
pub const VERDICTS_COUNT_MAX: usize = 8_192;

// Development issuer.

/// Longest request body that the development issuer reads.
pub const ISSUER_FORM_BYTES_MAX: usize = 64 * 1024;
/// Most connections to the development issuer at once.
pub const ISSUER_CONNECTIONS_MAX: usize = 64;
/// How long a client of the development issuer may take to send a request head.
pub const ISSUER_HEAD_MILLIS_MAX: u64 = 5_000;
/// Most tokens the development issuer remembers for introspection; the oldest goes first.
pub const ISSUER_TOKENS_COUNT_MAX: usize = 10_000;
/// Most device sign-ins waiting at the development issuer.
pub const ISSUER_DEVICES_COUNT_MAX: usize = 100;
/// How long a device sign-in at the development issuer can be approved (Okta: 600 s).
pub const ISSUER_DEVICE_SECS: u64 = 600;
/// How often a device may ask whether it was approved (RFC 8628 section 3.2).
pub const ISSUER_DEVICE_INTERVAL_SECS: u64 = 5;
/// Longest life of a token that the development issuer mints (Okta: 24 h).
pub const ISSUER_TOKEN_SECS_MAX: u64 = 24 * 3_600;

// Configuration.

/// Longest configuration, policy, certificate or key file.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Longest name that an operator gives to something.
pub const CONFIG_NAME_BYTES_MAX: usize = 63;
/// Longest file of a password.
pub const SECRET_BYTES_MAX: u64 = 4 * 1024;
/// Longest role or database name (PostgreSQL: `NAMEDATALEN` - 1).
pub const POSTGRES_NAME_BYTES_MAX: usize = 63;
/// Port of the admin endpoint when the configuration doesn't say.
pub const ADMIN_PORT: u16 = 8470;
/// Clock skew allowed between the issuer and this machine when the configuration doesn't say.
pub const CLOCK_SKEW_SECS: u64 = 30;
/// Shortest bound on a token's age that makes sense.
pub const TOKEN_AGE_SECS_MIN: u64 = 60;
/// Longest bound on a token's age: a week.
pub const TOKEN_AGE_SECS_MAX: u64 = 7 * 24 * 3_600;
/// Plugins of one policy.
pub const POLICY_PLUGINS_MAX: usize = 32;
/// Memory of a plugin when the policy doesn't say.
pub const PLUGIN_MEMORY_MIB: u64 = 16;
/// Longest single call of a plugin when the policy doesn't say.
pub const PLUGIN_CALL_MILLIS: u64 = 100;

// Admin endpoint.

/// Connections served at once.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Longest request head, token included (hyper takes no less than 8 KiB).
pub const ADMIN_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers of a request.
pub const ADMIN_HEADERS_MAX: usize = 64;
/// How long a request head may take.
pub const ADMIN_HEAD_SECS_MAX: u64 = 10;
/// Longest request body.
pub const ADMIN_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a request body may take.
pub const ADMIN_BODY_SECS_MAX: u64 = 10;
/// How long a session may take to record an approver's answer.
pub const ADMIN_RECORD_SECS_MAX: u64 = 10;
/// How long a connection may take, the download of a snapshot included.
pub const ADMIN_CONNECTION_SECS_MAX: u64 = 900;
/// How long requests under way may take once the gateway stops.
pub const ADMIN_DRAIN_SECS_MAX: u64 = 5;
/// Pause after a failed accept.
pub const ACCEPT_RETRY_MILLIS: u64 = 100;
/// Sessions listed when the caller doesn't say.
pub const ADMIN_SESSIONS_LISTED: usize = 100;
/// Sessions listed at most.
pub const ADMIN_SESSIONS_LISTED_MAX: usize = 1_000;
/// Piece of a snapshot that is sent at once.
pub const SNAPSHOT_PIECE_BYTES: usize = 64 * 1024;
/// Pieces of a snapshot that wait for a slow reader.
pub const SNAPSHOT_PIECES_QUEUED: usize = 4;
/// How long the start waits for the issuers' keys before it goes on without them.
pub const ISSUER_FIRST_FETCH_MILLIS_MAX: u64 = 5_000;

// Command line.

/// Longest answer of the admin endpoint that a command reads, a snapshot excepted.
pub const ADMIN_REPLY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long the admin endpoint may take to answer a command, a snapshot excepted.
pub const ADMIN_REPLY_SECS_MAX: u64 = 60;

// Demonstration.

/// Life of its certificates.
pub const DEMO_CERTIFICATE_SECS_MAX: u64 = 30 * 24 * 3_600;
/// Life of its tokens.
pub const DEMO_TOKEN_SECS: u64 = 3_600;
/// How often the files of tokens get fresh ones.
pub const DEMO_TOKEN_RENEW_SECS: u64 = 1_800;
/// How long one of PostgreSQL's own programs may take; `initdb` is slow on a slow disk.
pub const DEMO_PROGRAM_SECS_MAX: u64 = 120;
/// How long a stopping PostgreSQL may take.
pub const DEMO_STOP_SECS_MAX: u64 = 20;
/// Ports that PostgreSQL tries before the demonstration gives up.
pub const DEMO_PORT_TRIES: usize = 5;
/// How long one command of the tour may take.
pub const DEMO_COMMAND_SECS_MAX: u64 = 60;
/// Pause between two looks at what a command of the tour has printed.
pub const DEMO_LOOK_MILLIS: u64 = 20;
/// Most of a command's output that is read back.
pub const DEMO_OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Lines of a long text that the screen shows.
pub const DEMO_LINES_SHOWN: usize = 30;
/// Bytes of a stored log that the tour tries to change before it gives up.
pub const DEMO_TAMPER_TRIES: usize = 8;

// SQL statements and lineage.

/// Most statements in one text; more than any client sends at once, few enough to log.
pub const STATEMENTS_PER_MESSAGE_MAX: usize = 10_000;
/// Most levels of structs and lists in a parse tree. The decoder of PostgreSQL's tree stops at
/// 100 structs by itself; with the lists between them this is never the tighter bound, and it
/// holds should the decoder's ever be lifted.
pub const STATEMENT_LEVELS_MAX: usize = 256;
/// Most words and signs in one text, as counted without knowing quotes. A tree takes about two
/// kilobytes a word, so this bounds memory before the parser is asked: 125,000 elements of an IN
/// list, or a megabyte of prose in one literal.
pub const STATEMENT_WORDS_MAX: usize = 250_000;
/// Most nodes in one statement's parse tree: a second line behind [`STATEMENT_WORDS_MAX`].
pub const STATEMENT_NODES_MAX: usize = 1_000_000;
/// Longest text that is parsed without waiting for other long ones, which take their turns so
/// that their trees are not in memory at once.
pub const STATEMENT_LONG_BYTES: usize = 64 * 1024;
/// Longest text of a syntax error; the parser quotes the rest of the text when a quote is open.
pub const SYNTAX_ERROR_BYTES_MAX: usize = 1_024;
/// How many places of a word are tried to find where a syntax error lies; each costs a parse.
pub const SYNTAX_ERROR_PLACES_MAX: usize = 8;
/// Longest text that the second parser is asked to read.
pub const SECOND_OPINION_BYTES_MAX: usize = 64 * 1024;
/// Most words of a text that the second parser is asked to read. It builds chains of operators
/// without counting levels, so the words bound the depth of its tree.
pub const SECOND_OPINION_TOKENS_MAX: usize = 4_096;
/// Deepest brackets of a text that the second parser is asked to read. It tries several readings
/// of one bracket, so its time doubles with each level.
pub const SECOND_OPINION_BRACKETS_MAX: usize = 12;
/// Most levels of the second parser's tree whose relations are compared; of deeper ones only
/// count and kind are. A level takes up to 20 KiB of stack without optimisation.
pub const SECOND_OPINION_LEVELS_MAX: usize = 48;
/// How deep the second parser may recurse.
pub const SECOND_OPINION_RECURSION_MAX: usize = 50;
/// Facts of texts seen before, all sessions together.
pub const FACTS_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest single entry among them.
pub const FACTS_CACHE_ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Longest value of a setting that is copied into a statement's attributes.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;
/// Most new names for columns that are followed in one statement; with more, any name may stand
/// for any column.
pub const STATEMENT_RENAMES_MAX: usize = 2_048;
/// Most uses of columns listed for one statement; with more, it counts as using all in every way.
pub const STATEMENT_USES_MAX: usize = 4_096;
/// How deep views on views are followed.
pub const VIEW_LEVELS_MAX: usize = 64;
/// Most origins listed for one result column; more become `*`.
pub const COLUMN_ORIGINS_MAX: usize = 4_096;
/// Oldest catalogue of a target that is used to name the origins of a result.
pub const CATALOGUE_AGE_MILLIS_MAX: u64 = 30_000;
/// How long reading a catalogue may take.
pub const CATALOGUE_READ_MILLIS_MAX: u64 = 20_000;
/// Parts of the path of a request to a Kubernetes API server.
pub const KUBERNETES_SEGMENTS_MAX: usize = 64;
/// Names and values in the query of one.
pub const KUBERNETES_QUERY_PAIRS_MAX: usize = 1_024;
/// Changes of a patch that plugins are told one by one.
pub const KUBERNETES_CHANGES_MAX: usize = 256;
/// Images of a body that plugins are told one by one.
pub const KUBERNETES_IMAGES_MAX: usize = 64;
/// Longest name of a task or ticket that a session is for.
pub const WORK_ID_BYTES_MAX: usize = 128;
/// Longest body of a request to a Kubernetes API server (Kubernetes: `MaxRequestBodyBytes`).
pub const KUBERNETES_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Longest document of an API server that is taken whole, to be masked; kubectl asks for lists in
/// chunks of 500 objects.
pub const KUBERNETES_DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest event of a watch, and longest line of a log that is looked at.
pub const KUBERNETES_EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Seconds for which the answer to a held request is awaited before the client is told to come
/// back. Proxies and clients give up on a silent server after 30 to 60.
pub const KUBERNETES_HOLD_SECS: u64 = 20;
/// Seconds after which a client that was told to come back should.
pub const KUBERNETES_RETRY_SECS: u64 = 1;
/// Longest head of an HTTP request of a client.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of one.
pub const HTTP_HEADERS_MAX: usize = 100;
/// Requests at once over one HTTP/2 connection.
pub const HTTP_STREAMS_MAX: u32 = 200;
