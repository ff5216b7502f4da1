import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Kafka Streams with one thread, Jackson, and the same maps as everyone else in the process's memory.
 *
 * <p>One thread runs the tasks of all partitions, so they share the windows without locks. The state is not in a store
 * and is lost with the process: what Kafka Streams would do for recovery is left out, in its favour.
 */
public final class ClickstreamWindows {
    private static final int PARTITIONS = 6;
    private static final long WINDOW = 30_000;

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final ObjectReader EVENTS = MAPPER.readerFor(Event.class);

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public String timestamp;
        public String user_id;
        public String session_id;
        public String event_type;
        public String page_url;
        public String referrer;
        public String device_type;
        public long duration_ms;
    }

    static final class Tally {
        private long total;
        private long duration;
        private final Set<String> users = new HashSet<>();
        private final Set<String> sessions = new HashSet<>();
        private final Map<String, Long> eventTypes = new HashMap<>();
        private final Map<String, Long> devices = new HashMap<>();
        private final Map<String, Long> referrers = new HashMap<>();
        private final Map<String, Long> pages = new HashMap<>();

        void add(Event event) {
            total++;
            duration += event.duration_ms;
            users.add(event.user_id);
            sessions.add(event.session_id);
            eventTypes.merge(event.event_type, 1L, Long::sum);
            devices.merge(event.device_type, 1L, Long::sum);
            referrers.merge(event.referrer, 1L, Long::sum);
            pages.merge(event.page_url, 1L, Long::sum);
        }

        byte[] result(long start) {
            ObjectNode result = MAPPER.createObjectNode();
            result.put("window_start", Instant.ofEpochMilli(start).toString());
            result.put("window_end", Instant.ofEpochMilli(start + WINDOW).toString());
            result.put("total_events", total);
            result.put("unique_users", users.size());
            result.put("unique_sessions", sessions.size());
            put(result.putObject("event_types"), eventTypes, Integer.MAX_VALUE);
            put(result.putObject("devices"), devices, Integer.MAX_VALUE);
            put(result.putObject("top_referrers"), referrers, 3);
            put(result.putObject("top_pages"), pages, 5);
            result.put("avg_duration_ms", total == 0 ? 0 : duration / total);
            return result.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
        }

        private static void put(ObjectNode target, Map<String, Long> counts, int most) {
            counts.entrySet().stream()
                    .sorted(Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder())
                            .thenComparing(Map.Entry.comparingByKey()))
                    .limit(most)
                    .forEach(entry -> target.put(entry.getKey(), entry.getValue()));
        }
    }

    /** The windows of all partitions. A partition is done with a window when it has seen the one after the next. */
    static final class Windows {
        private final TreeMap<Long, Tally> open = new TreeMap<>();
        private final long[] newest = new long[PARTITIONS];
        private final long half;
        private long counted;

        private String minute = "";
        private long minuteStart;

        Windows(long events) {
            half = Math.max(2, events / 2);
        }

        void add(Event event, int partition, ProcessorContext<byte[], byte[]> context) {
            counted++;
            if (counted == 1 || counted == half) {
                System.out.println("progress " + counted);
            }
            long time = parse(event.timestamp);
            long start = time - time % WINDOW;
            open.computeIfAbsent(start, key -> new Tally()).add(event);
            if (start > newest[partition]) {
                newest[partition] = start;
                close(context);
            }
        }

        private void close(ProcessorContext<byte[], byte[]> context) {
            long done = Arrays.stream(newest).min().orElse(0) - 2 * WINDOW;
            Iterator<Map.Entry<Long, Tally>> over = open.headMap(done, true).entrySet().iterator();
            while (over.hasNext()) {
                Map.Entry<Long, Tally> window = over.next();
                byte[] result = window.getValue().result(window.getKey());
                context.forward(new Record<>(null, result, context.currentSystemTimeMs()));
                over.remove();
            }
        }

        /** Instant.parse takes as long as the rest of an event; most events are of the same minute as the last one. */
        private long parse(String timestamp) {
            if (timestamp.length() != 24 || timestamp.charAt(23) != 'Z') {
                return Instant.parse(timestamp).toEpochMilli();
            }
            if (!timestamp.regionMatches(0, minute, 0, 17) || minute.isEmpty()) {
                minute = timestamp.substring(0, 17);
                minuteStart = Instant.parse(minute + "00Z").toEpochMilli();
            }
            int seconds = digit(timestamp, 17) * 10 + digit(timestamp, 18);
            int milliseconds = digit(timestamp, 20) * 100 + digit(timestamp, 21) * 10 + digit(timestamp, 22);
            return minuteStart + seconds * 1000L + milliseconds;
        }

        private static int digit(String text, int index) {
            return text.charAt(index) - '0';
        }
    }

    static final class Counting implements Processor<byte[], byte[], byte[], byte[]> {
        private final Windows windows;
        private ProcessorContext<byte[], byte[]> context;

        Counting(Windows windows) {
            this.windows = windows;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                Event event = EVENTS.readValue(record.value());
                windows.add(event, context.taskId().partition(), context);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    public static void main(String[] arguments) {
        Map<String, String> environ = System.getenv();
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, environ.get("BENCH_GROUP_ID"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, environ.get("BENCH_BOOTSTRAP_SERVERS"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, environ.get("BENCH_STATE_DIR"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 5000);

        Windows windows = new Windows(Long.parseLong(environ.get("BENCH_EVENTS")));
        Topology topology = new Topology();
        topology.addSource("events", environ.get("BENCH_SOURCE"));
        topology.addProcessor("count", () -> new Counting(windows), "events");
        topology.addSink("metrics", environ.get("BENCH_SINK"), "count");

        KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
