// SPDX-License-Identifier: Apache-2.0
import Events

/// What a load is known by, and how much room it is given over what it needed.
///
/// The names are those of programs as the kernel has them (`comm`, 15 bytes), or words of an image's name where no process
/// is seen. The headroom is a rule of thumb; the reason says why this one.
extension AdvisedLimit.LoadKind {
  private static let programs: [(Self, Set<String>)] = [
    (.jvm, ["java"]),
    (
      .database,
      [
        "postgres", "mysqld", "mariadbd", "mongod", "mongos", "redis-server", "valkey-server", "memcached", "etcd",
        "clickhouse-serv", "clickhouse-server", "influxd", "prometheus", "cockroach",
      ]
    ),
    (
      .web,
      [
        "nginx", "httpd", "apache2", "caddy", "haproxy", "envoy", "traefik", "lighttpd", "varnishd", "php-fpm",
        "gunicorn", "uwsgi", "puma", "node", "unicorn",
      ]
    ),
    (
      .batch,
      [
        "ffmpeg", "rsync", "tar", "restic", "borg", "make", "ninja", "cc1plus", "cc1", "rustc", "Rscript", "R",
        "pg_dump", "mysqldump", "spark-submit",
      ]
    ),
  ]

  /// Words of images, as `docker.io/bitnami/postgresql:16` has them.
  private static let imageWords: [(Self, Set<String>)] = [
    (
      .jvm,
      [
        "java", "jdk", "jre", "openjdk", "temurin", "corretto", "tomcat", "jetty", "kafka", "elasticsearch",
        "opensearch", "cassandra", "zookeeper", "keycloak", "solr", "logstash", "jenkins", "wildfly",
      ]
    ),
    (
      .database,
      [
        "postgres", "postgresql", "mysql", "mariadb", "mongo", "mongodb", "redis", "valkey", "memcached", "etcd",
        "clickhouse", "influxdb", "prometheus", "cockroach", "timescaledb",
      ]
    ),
    (
      .web,
      [
        "nginx", "httpd", "apache", "caddy", "haproxy", "envoy", "traefik", "varnish", "php", "node", "wordpress",
        "gunicorn",
      ]
    ),
  ]

  /// By the first program that is known, the biggest first; else by the image.
  init(programs: [String], image: String?) {
    for program in programs {
      // `nginx: worker`, `php-fpm8.2`, `postgres: writer`.
      let stem = String(program.prefix { $0 != ":" && $0 != " " })
      let bare = stem.hasPrefix("php-fpm") ? "php-fpm" : stem
      if let (kind, _) = Self.programs.first(where: { $0.1.contains(bare) }) {
        self = kind
        return
      }
    }
    // The name alone: neither the registry with its port, nor the tag or the digest.
    let last = (image ?? "").split(separator: "/").last ?? ""
    let words = last.prefix { $0 != ":" && $0 != "@" }.lowercased()
      .split { !$0.isLetter && !$0.isNumber }.map(String.init)
    self = Self.imageWords.first { kind in words.contains { kind.1.contains($0) } }?.0 ?? .unknown
  }

  var headroomPercent: Int64 {
    switch self {
    case .jvm: 25
    case .database: 30
    case .web, .unknown: 50
    case .batch: 100
    }
  }

  var headroomReason: String {
    switch self {
    case .jvm: "a JVM keeps to its heap, and grows beside it with threads, classes and buffers"
    case .database: "a database keeps to its caches, and grows beside them with its connections and their queries"
    case .web: "what answers requests grows with them, and the busiest hour may not have been seen"
    case .batch: "a batch job is as big as its input, and the next one may be twice as big"
    case .unknown: "what it is is not known by its name"
    }
  }

  /// For the memory of the whole host, and no more than a nudge. Kernel: mm/oom_kill.c, oom_badness().
  var oomScoreAdj: Int? {
    switch self {
    case .database: -200
    case .batch: 300
    case .jvm, .web, .unknown: nil
    }
  }
}
