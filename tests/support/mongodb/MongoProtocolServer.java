import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** A server of MongoDB's protocol whose store is an H2 file: FILE PORT [oplog]. With an oplog it has change streams. */
public class MongoProtocolServer {
    /** The oldest version that drivers still talk to; the library itself stops one before it. */
    private static final MongoVersion MONGO_4_4 = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    };

    public static void main(String[] arguments) {
        H2Backend backend = new H2Backend(arguments[0]);
        backend.version(MONGO_4_4);
        MongoServer server = new MongoServer(backend);
        if (arguments.length > 2) {
            server.enableOplog();
        }
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[1]));
    }
}
