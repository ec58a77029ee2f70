import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import java.util.Timer;
import java.util.TimerTask;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

/** pgjdbc as an application uses it. Prints a line for each thing that works. */
public final class Pgjdbc {
    private static void say(String step) {
        System.out.println(step);
    }

    private static void check(boolean holds, Object found) {
        if (!holds) {
            throw new AssertionError(String.valueOf(found));
        }
    }

    private static long one(Connection conn, String sql) throws SQLException {
        try (Statement statement = conn.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            check(rows.next(), sql);
            return rows.getLong(1);
        }
    }

    private static void prepared(Connection conn) throws SQLException {
        // From the fifth execution on the driver names the statement and asks for binary results.
        try (PreparedStatement statement = conn.prepareStatement("SELECT id FROM products WHERE id = ?")) {
            for (int number = 1; number <= 20; number++) {
                statement.setInt(1, number);
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next() && rows.getInt(1) == number, number);
                }
            }
        }
        check(one(conn, "SELECT count(*) FROM pg_prepared_statements") > 0, "nothing prepared");
        say("prepared");
    }

    private static void pipelined(Connection conn) throws SQLException {
        String sql = "INSERT INTO products (id, name, price, stock) VALUES (?, ?, 1, 0)";
        try (PreparedStatement statement = conn.prepareStatement(sql)) {
            for (int number = 3001; number <= 3300; number++) {
                statement.setInt(1, number);
                statement.setString(2, "batch " + number);
                statement.addBatch();
            }
            int[] counts = statement.executeBatch();
            check(counts.length == 300 && Arrays.stream(counts).allMatch(it -> it == 1), counts.length);
            statement.setInt(1, 3001);
            statement.setString(2, "again");
            statement.addBatch();
            boolean failed = false;
            try {
                statement.executeBatch();
            } catch (SQLException error) {
                failed = "23505".equals(error.getSQLState());
            }
            check(failed, "a doubled key was taken");
        }
        check(one(conn, "SELECT count(*) FROM products WHERE id > 3000") == 300, "rows");
        say("pipelined");
    }

    private static void binary(Connection conn) throws SQLException {
        String sql = "SELECT 5::int8, 1.50::numeric, 'x'::text, DATE '2026-02-03', ?::bytea, NULL::int";
        try (PreparedStatement statement = conn.prepareStatement(sql)) {
            statement.unwrap(org.postgresql.PGStatement.class).setPrepareThreshold(-1);
            for (int round = 0; round < 3; round++) {
                statement.setBytes(1, new byte[] {0, -1});
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next(), "no row");
                    check(rows.getLong(1) == 5 && rows.getString(3).equals("x"), rows.getString(3));
                    check(rows.getBigDecimal(2).toString().equals("1.50"), rows.getBigDecimal(2));
                    check(rows.getDate(4).toString().equals("2026-02-03"), rows.getDate(4));
                    check(Arrays.equals(rows.getBytes(5), new byte[] {0, -1}), "bytes");
                    check(rows.getObject(6) == null, rows.getObject(6));
                }
            }
        }
        say("binary");
    }

    private static void copyIn(Connection conn, CopyManager copy) throws Exception {
        StringBuilder lines = new StringBuilder();
        for (int number = 1001; number <= 2000; number++) {
            lines.append(number).append(",copied ").append(number).append(",1,3\n");
        }
        String sql = "COPY products (id, name, price, stock) FROM STDIN (FORMAT csv)";
        check(copy.copyIn(sql, new StringReader(lines.toString())) == 1000, "rows");
        boolean failed = false;
        try {
            copy.copyIn(sql, new ByteArrayInputStream("no number,x,1,1\n".getBytes(StandardCharsets.UTF_8)));
        } catch (SQLException error) {
            failed = "22P02".equals(error.getSQLState());
        }
        check(failed, "a broken row was taken");
        say("copy in");
    }

    private static String collect(CopyManager copy, String sql) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        copy.copyOut(sql, out);
        return out.toString(StandardCharsets.UTF_8);
    }

    private static void copyOut(CopyManager copy) throws Exception {
        String query = "SELECT id, name FROM products WHERE id BETWEEN 1001 AND 2000 ORDER BY id";
        String[] lines = collect(copy, "COPY (" + query + ") TO STDOUT").split("\n");
        check(lines.length == 1000 && lines[999].equals("2000\tcopied 2000"), lines.length);
        String hidden = collect(copy, "COPY customers (id, email) TO STDOUT");
        check(hidden.contains("MASKED") && !hidden.contains("@mail.example"), hidden);
        say("copy out");
    }

    private static void cancel(Connection conn) throws Exception {
        try (Statement statement = conn.createStatement()) {
            // A request that comes before its statement is lost, so it is made until that ends.
            Timer timer = new Timer(true);
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    try {
                        statement.cancel();
                    } catch (SQLException error) {
                        throw new IllegalStateException(error);
                    }
                }
            }, 500, 300);
            boolean cancelled = false;
            try {
                statement.execute("SELECT count(*) FROM generate_series(1, 10000000000)");
            } catch (SQLException error) {
                cancelled = "57014".equals(error.getSQLState());
            }
            timer.cancel();
            check(cancelled, "not cancelled");
        }
        long four;
        try {
            four = one(conn, "SELECT 4");
        } catch (SQLException late) {
            // By the last request, which came late.
            four = one(conn, "SELECT 4");
        }
        check(four == 4, "after the cancel");
        say("cancel");
    }

    private static void refused(Connection conn) throws SQLException {
        for (int round = 0; round < 2; round++) {
            try (PreparedStatement statement = conn.prepareStatement("DELETE FROM products")) {
                statement.execute();
                throw new AssertionError("nothing was refused");
            } catch (PSQLException error) {
                check("42501".equals(error.getSQLState()), error);
                check(error.getServerErrorMessage().getMessage().startsWith("portcullis: "), error);
                check(error.getServerErrorMessage().getHint() != null, error);
            }
        }
        check(one(conn, "SELECT count(*) FROM products WHERE id <= 40") == 40, "rows");
        say("refused");
    }

    private static void masked(Connection conn) throws SQLException {
        String sql = "SELECT email, card_number, national_id FROM customers WHERE id = ?";
        try (PreparedStatement statement = conn.prepareStatement(sql)) {
            for (int round = 0; round < 10; round++) {
                statement.setInt(1, 42);
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next() && rows.getString(1).equals("MASKED"), rows.getString(1));
                    String card = rows.getString(2);
                    check(card.endsWith("0005") && !card.equals("378282246310005"), card);
                    check(rows.getString(3) == null, rows.getString(3));
                }
            }
        }
        conn.setAutoCommit(false);
        try (Statement statement = conn.createStatement()) {
            // A fetch size makes a portal that is read in parts.
            statement.setFetchSize(10);
            int count = 0;
            try (ResultSet rows = statement.executeQuery("SELECT email FROM customers")) {
                while (rows.next()) {
                    check(rows.getString(1).equals("MASKED"), rows.getString(1));
                    count++;
                }
            }
            check(count == 200, count);
        }
        conn.commit();
        conn.setAutoCommit(true);
        say("masked");
    }

    private static void large(Connection conn) throws SQLException {
        try (Statement statement = conn.createStatement()) {
            try (ResultSet rows = statement.executeQuery("SELECT repeat('y', 20000000)")) {
                check(rows.next() && rows.getString(1).length() == 20000000, "length");
            }
            long sum = 0;
            try (ResultSet rows = statement.executeQuery("SELECT generate_series(1, 200000)")) {
                while (rows.next()) {
                    sum += rows.getLong(1);
                }
            }
            check(sum == 200000L * 200001L / 2, sum);
        }
        say("large");
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.setProperty("user", System.getenv("PGUSER"));
        settings.setProperty("password", System.getenv("PGPASSWORD"));
        settings.setProperty("sslmode", "verify-full");
        settings.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        String url = "jdbc:postgresql://localhost:" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        try (Connection conn = DriverManager.getConnection(url, settings)) {
            CopyManager copy = conn.unwrap(PGConnection.class).getCopyAPI();
            prepared(conn);
            pipelined(conn);
            binary(conn);
            copyIn(conn, copy);
            copyOut(copy);
            cancel(conn);
            refused(conn);
            masked(conn);
            large(conn);
        }
    }
}
