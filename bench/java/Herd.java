// A herd server in Java: a thread per connection (a virtual one where the JDK has them, from 21 on), blocking streams
// and a concurrent map. Replies are flushed when nothing more is waiting to be read.
//
//     java Herd NAME PORT [NEIGHBOUR_PORT...]
//
// Lines are ISO 8859-1 strings, that is bytes as they came. Reports are flooded as AT lines over one connection to
// each neighbour; there is no catch-up.

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.StringTokenizer;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Herd {
    private record Report(long timeNs, String at) {}

    private static final long NS = 1_000_000_000L;
    private static final long REDIAL_MS = 200;
    // Lines that wait for a slow neighbour; more are dropped, for memory is not without end.
    private static final int WAITING_MAX = 1 << 20;
    private static final Pattern LOCATION =
            Pattern.compile("([+-][0-9]{1,2}(?:\\.[0-9]+)?)([+-][0-9]{1,3}(?:\\.[0-9]+)?)/?");
    private static final Pattern TIME = Pattern.compile("0*([0-9]{1,10})(?:\\.([0-9]+))?");
    private static final Pattern NUMBER = Pattern.compile("[0-9]+(?:\\.[0-9]+)?");
    private static final Pattern COUNT = Pattern.compile("[0-9]{1,9}");
    private static final String SPACE = " \t\r\n\f\u000b";
    private static final String NO_PROVIDER = "{\"results\": [], \"status\": \"ZERO_RESULTS\"}\n\n";

    private final String name;
    private final ConcurrentHashMap<String, Report> reports = new ConcurrentHashMap<>();
    private final List<BlockingQueue<String>> links = new ArrayList<>();

    private Herd(String name) {
        this.name = name;
    }

    // What to reply to a line, LF included; nothing to a neighbour's AT line.
    private String answer(String line) {
        String[] fields = fields(line);
        String reply = null;
        if (fields.length == 4 && fields[0].equals("IAMAT")) {
            reply = iamat(fields[1], fields[2], fields[3]);
        } else if (fields.length == 4 && fields[0].equals("WHATSAT")) {
            reply = whatsat(fields[1], fields[2], fields[3]);
        } else if (fields.length == 6 && fields[0].equals("AT")) {
            long timeNs = nanoseconds(fields[5]);
            if (timeNs >= 0) {
                keep(fields[3], new Report(timeNs, String.join(" ", fields) + "\n"));
            }
            return "";
        }
        return reply != null ? reply : "? " + line + "\n";
    }

    private static String[] fields(String line) {
        StringTokenizer words = new StringTokenizer(line, SPACE);
        String[] fields = new String[words.countTokens()];
        Arrays.setAll(fields, i -> words.nextToken());
        return fields;
    }

    private String iamat(String client, String location, String sentAt) {
        long timeNs = nanoseconds(sentAt);
        if (timeNs < 0 || !isLocation(location)) {
            return null;
        }
        Instant now = Instant.now();
        long skew = now.getEpochSecond() * NS + now.getNano() - timeNs;
        long size = Math.abs(skew);
        String fraction = Long.toString(size % NS + NS).substring(1);
        String at = "AT " + name + (skew < 0 ? " -" : " +") + size / NS + "." + fraction + " " + client + " "
                + location + " " + sentAt + "\n";
        keep(client, new Report(timeNs, at));
        return at;
    }

    private String whatsat(String client, String radius, String bound) {
        Report known = reports.get(client);
        boolean isValid = NUMBER.matcher(radius).matches() && COUNT.matcher(bound).matches();
        if (known == null || !isValid || Double.parseDouble(radius) > 50 || Integer.parseInt(bound) > 20) {
            return null;
        }
        return known.at + NO_PROVIDER;
    }

    // Keeps and passes on what is news; what is known ends here, so a flood ends too.
    private void keep(String client, Report report) {
        Report kept = reports.merge(client, report, (held, fresh) -> held.timeNs >= fresh.timeNs ? held : fresh);
        if (kept == report) {
            links.forEach(link -> link.offer(report.at));
        }
    }

    // A client's time in nanoseconds; negative if it is none.
    private static long nanoseconds(String text) {
        Matcher match = TIME.matcher(text);
        if (!match.matches()) {
            return -1;
        }
        String fraction = match.group(2) == null ? "" : match.group(2);
        String nine = (fraction + "000000000").substring(0, 9);
        long seconds = Long.parseLong(match.group(1));
        // Past 2^63 - 1 this wraps round to a negative number.
        return seconds > Long.MAX_VALUE / NS ? -1 : seconds * NS + Long.parseLong(nine);
    }

    private static boolean isLocation(String text) {
        Matcher match = LOCATION.matcher(text);
        return match.matches()
                && Math.abs(Double.parseDouble(match.group(1))) <= 90
                && Math.abs(Double.parseDouble(match.group(2))) <= 180;
    }

    private void serve(Socket socket) {
        try (socket) {
            socket.setTcpNoDelay(true);
            var in = new BufferedReader(
                    new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1), 1 << 16);
            var out = writer(socket);
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                out.write(answer(line));
                if (!in.ready()) {
                    out.flush();
                }
            }
            out.flush();
        } catch (IOException gone) {
            // The client went away; its socket is closed.
        }
    }

    private void keepLink(int port, BlockingQueue<String> waiting) {
        while (true) {
            try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                socket.setTcpNoDelay(true);
                var out = writer(socket);
                while (true) {
                    out.write(waiting.take());
                    if (waiting.isEmpty()) {
                        out.flush();
                    }
                }
            } catch (IOException down) {
                // Not up yet, or gone: dialled again below.
            } catch (InterruptedException stopped) {
                return;
            }
            try {
                Thread.sleep(REDIAL_MS);
            } catch (InterruptedException stopped) {
                return;
            }
        }
    }

    private static BufferedWriter writer(Socket socket) throws IOException {
        return new BufferedWriter(
                new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.ISO_8859_1), 1 << 16);
    }

    // Reflection, because the method is absent before Java 21.
    private static ExecutorService threads() {
        try {
            return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
        } catch (ReflectiveOperationException absent) {
            return Executors.newCachedThreadPool();
        }
    }

    public static void main(String[] arguments) throws IOException {
        Herd herd = new Herd(arguments[0]);
        ExecutorService threads = threads();
        try (var server = new ServerSocket(Integer.parseInt(arguments[1]), 1024, InetAddress.getLoopbackAddress())) {
            for (int i = 2; i < arguments.length; i++) {
                int port = Integer.parseInt(arguments[i]);
                BlockingQueue<String> waiting = new ArrayBlockingQueue<>(WAITING_MAX);
                herd.links.add(waiting);
                threads.execute(() -> herd.keepLink(port, waiting));
            }
            System.out.println(herd.name + " 127.0.0.1:" + server.getLocalPort());
            while (true) {
                Socket socket = server.accept();
                threads.execute(() -> herd.serve(socket));
            }
        }
    }
}
