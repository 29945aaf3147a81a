// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// `oomwitness history` as users meet it, over lines of real kills.
@Suite struct HistoryTests {
  /// A folder that goes with it, and in it a history of all that the tracer told in guests.
  final class Imported {
    let folder = "/tmp/oomwitness-test-kept-\(UUID().uuidString)"
    var database: String { folder + "/history.db" }
    let lines: [String]

    init(_ files: [String] = Repository.files(below: "Tests/VM/Fixtures", ending: ["trace.ndjson"])) throws {
      mkdir(folder, 0o755)
      lines = files.flatMap { (Files.text(Repository.root + "/" + $0) ?? "").split(separator: "\n").map(String.init) }
      let paths = files.map { Repository.root + "/" + $0 }
      let ended = Program.run(Program.oomwitness, ["history", "import", "--database", database] + paths)
      try #require(ended.status == 0, "\(ended.errors)")
      #expect(ended.output == "\(lines.count) stored, 0 there already, 0 passed over\n")
    }

    deinit { _ = Program.run("/bin/rm", ["-rf", folder]) }

    func run(_ arguments: String...) -> Program.Ended {
      Program.run(Program.oomwitness, ["history", arguments[0], "--database", database] + arguments.dropFirst())
    }
  }

  @Test("what was imported comes out as it was, and is stored once")
  func roundTrip() throws {
    let history = try Imported()
    let export = history.run("export")
    #expect(export.status == 0)
    #expect(export.output == history.lines.map { $0 + "\n" }.joined())
    Files.write(export.output, to: history.folder + "/again.ndjson")
    let again = history.run("import", history.folder + "/again.ndjson")
    #expect(again.output == "0 stored, \(history.lines.count) there already, 0 passed over\n")
  }

  @Test("a list names each kill, and what it names can be shown in full")
  func listAndShow() throws {
    let history = try Imported()
    let kills = history.lines.filter { $0.contains("\"type\":\"oom_kill\"") }
    let list = history.run("list", "--limit", "1000")
    #expect(list.status == 0)
    let rows = list.output.split(separator: "\n").dropFirst()
    #expect(rows.count == kills.count)
    #expect(!list.output.contains("\u{1b}"))
    for row in rows {
      let id = String(row.drop { $0 == " " }.prefix { $0 != " " })
      let shown = history.run("show", id)
      #expect(shown.status == 0, "\(shown.errors)")
      #expect(shown.output.contains("OOM KILL"), "\(shown.output)")
      let document = Line.all(in: history.run("show", id, "--output", "json").output)[0]
      let event = try #require(document.value(["event"]) as? [String: Any])
      #expect(shown.output.contains(try #require(event["explanation"] as? String)))
      // What came of it is beside it, where the stream told.
      let decision = Line(object: event).number("decision", "id")
      let hasOutcome = history.lines.contains {
        let line = Line.all(in: $0)[0]
        return line.type == "oom_outcome" && line.number("decision", "id") == decision
          && line.text("boot_id") == event["boot_id"] as? String
          && line.number("victim", "pid") == Line(object: event).number("victim", "pid")
      }
      #expect((document.value(["outcome"]) != nil) == hasOutcome)
    }
  }

  @Test("what is printed for programs is what the schema says")
  func fitsSchema() throws {
    let history = try Imported()
    let list = history.run("list", "--output", "json", "--type", "any", "--limit", "1000").output
    #expect(
      SchemaJudge.judged("history.v1.schema.json", list.replacingOccurrences(of: "\n", with: "") + "\n")
        == "judged: True\n")
    let kill = history.run("list", "--output", "json", "--limit", "1").output
    let id = try #require(Line.all(in: String(kill.dropFirst().dropLast(2)))[0].number("id"))
    let shown = history.run("show", "\(id)", "--output", "json").output
    #expect(SchemaJudge.judged("history.v1.schema.json", shown) == "judged: True\n")
    let lines = history.run("list", "--output", "ndjson", "--type", "any", "--limit", "100000").output
    #expect(Set(lines.split(separator: "\n").map(String.init)) == Set(history.lines))
  }

  struct Filter: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var fits: @Sendable (Line) -> Bool
    var testDescription: String { arguments.joined(separator: " ") }
  }

  static let filters = [
    Filter(arguments: ["--victim", "h*"]) { $0.text("victim", "comm")?.hasPrefix("h") == true },
    Filter(arguments: ["--victim", "[!h]*"]) { $0.text("victim", "comm")?.hasPrefix("h") == false },
    Filter(arguments: ["--victim", "nobody"]) { _ in false },
    Filter(arguments: ["--cgroup", "*m*"]) {
      [$0.text("victim", "cgroup", "path"), $0.text("limit", "cgroup", "path")].contains { $0?.contains("m") == true }
    },
    Filter(arguments: ["--unit", "*.service"]) { $0.text("victim", "systemd_unit")?.hasSuffix(".service") == true },
    Filter(arguments: ["--pod", "*"]) { $0.text("victim", "kubernetes", "pod") != nil },
    Filter(arguments: ["--host", "*"]) { $0.text("host") != nil },
    Filter(arguments: ["--since", "2026-11-24T22:28:05.5Z"]) { ($0.text("time") ?? "") >= "2026-11-24T22:28:05.5" },
    Filter(arguments: ["--until", "2026-11-24T22:28:05.5Z"]) {
      ($0.text("time") ?? "9") < "2026-11-24T22:28:05.5"
    },
    Filter(arguments: ["--since", "1s"]) { _ in false },
  ]

  @Test("a filter lets through what fits, and nothing else", arguments: filters)
  func letsThrough(filter: Filter) throws {
    let history = try Imported()
    let ended = Program.run(
      Program.oomwitness,
      ["history", "export", "--database", history.database, "--type", "oom_kill"] + filter.arguments)
    #expect(ended.status == 0, "\(ended.errors)")
    let expected = history.lines.filter {
      let line = Line.all(in: $0)[0]
      return line.type == "oom_kill" && filter.fits(line)
    }
    #expect(ended.output.split(separator: "\n").map(String.init).sorted() == expected.sorted())
  }

  @Test("sums and page are those that analyze gives of the same kills")
  func sums() throws {
    let log = Repository.root + "/Tests/KernelLogTests/Fixtures/6.12-memcg.kmsg"
    let folder = "/tmp/oomwitness-test-sums-\(UUID().uuidString)"
    mkdir(folder, 0o755)
    defer { _ = Program.run("/bin/rm", ["-rf", folder]) }
    let analyzed = Program.run(Program.oomwitness, ["analyze", "--output", "ndjson", "--candidates", "all", log])
    Files.write(analyzed.output, to: folder + "/lines")
    let database = folder + "/a.db"
    #expect(
      Program.run(Program.oomwitness, ["history", "import", "--database", database, folder + "/lines"]).status == 0)
    let ours = Line.all(
      in: Program.run(Program.oomwitness, ["history", "stats", "--database", database, "--output", "json"]).output
        .replacingOccurrences(of: "\n", with: ""))[0]
    let theirs = Line.all(
      in: Program.run(Program.oomwitness, ["analyze", "--output", "json", "--candidates", "all", log]).output
        .replacingOccurrences(of: "\n", with: ""))[0]
    #expect(ours.json("statistics") == theirs.json("statistics"))
    #expect(ours.json("recommendations") == theirs.json("recommendations"))
    let text = Program.run(Program.oomwitness, ["history", "stats", "--database", database])
    #expect(text.output.contains(" OOM kill"))
    let page = Program.run(
      Program.oomwitness, ["history", "report", "--database", database, "--html", folder + "/page.html"])
    #expect(page.status == 0, "\(page.errors)")
    let written = try #require(Files.text(folder + "/page.html"))
    let analyzedPage = Program.run(Program.oomwitness, ["analyze", "--output", "html", log]).output
    #expect(written.replacingOccurrences(of: "history report --html", with: "analyze --output html") == analyzedPage)
    let piped = Program.run(Program.oomwitness, ["history", "report", "--database", database, "--html", "-"])
    #expect(piped.output == written)
  }

  @Test("CSV is read by another program as what was meant")
  func isReadAsCSV() throws {
    let history = try Imported()
    let hostile =
      #"{"schema":"oomwitness.v1","type":"oom_kill","seq":1,"decision":{"id":1},"#
      + #""victim":{"pid":1,"comm":"a,\"b\"\r\nc "}}"#
    Files.write(hostile, to: history.folder + "/hostile")
    #expect(history.run("import", history.folder + "/hostile").status == 0)
    let csv = history.run("export", "--output", "csv").output
    Files.write(csv, to: history.folder + "/csv")
    let read = Program.run(
      "/usr/bin/python3",
      [
        "-c",
        """
        import csv, sys
        rows = list(csv.DictReader(open(sys.argv[1], newline="")))
        print(len(rows), rows[-1]["comm"].encode(), {len(row) for row in rows}, None in rows[0])
        """, history.folder + "/csv",
      ])
    #expect(read.output == "\(history.lines.count + 1) b'a,\"b\"\\r\\nc ' {28} False\n", "\(read.errors)")
  }

  @Test("bad lines are named by their number and passed over, and the status says so")
  func badLines() throws {
    let history = try Imported()
    let good = history.lines[0].replacingOccurrences(of: "\"seq\":1,", with: "\"seq\":900001,")
    let text =
      "junk\n\n" + good + "\n{\"schema\":\"oomwitness.v9\",\"type\":\"loss\",\"seq\":1}\n"
      + String(repeating: "x", count: 1_100_000) + "\n{\"schema\":\"oomwitness.v1\",\"seq\":1}"
    Files.write(text, to: history.folder + "/bad")
    let ended = history.run("import", history.folder + "/bad", "/nonexistent")
    #expect(ended.status == 1)
    #expect(ended.output == "1 stored, 0 there already, 4 passed over\n")
    let path = history.folder + "/bad"
    #expect(
      ended.errors == """
        oomwitness: \(path):1: this is no JSON: 'j' cannot come here
        oomwitness: \(path):4: this is of oomwitness.v9, not of oomwitness.v1
        oomwitness: \(path):5: a line of more than 1048576 bytes
        oomwitness: \(path):6: this line has no 'type' that is known to be one
        oomwitness: cannot open /nonexistent: no such file or directory

        """)
  }

  struct Wrong: Sendable, CustomTestStringConvertible {
    var content: String?
    var sentence: String
    var testDescription: String { sentence }
  }

  static let wrong = [
    Wrong(
      content: nil,
      sentence: "there is no history at PATH (the daemon keeps one; `oomwitness history import` makes one)"),
    Wrong(
      content: "root:x:0:0:root:/root:/bin/bash\n" + String(repeating: "x", count: 2000),
      sentence: "PATH is damaged, or no database: file is not a database"),
  ]

  @Test("what is no history is told in one sentence, and left as it is", arguments: wrong)
  func isTold(wrong: Wrong) throws {
    let path = "/tmp/oomwitness-test-wrong-\(UUID().uuidString)"
    if let content = wrong.content { Files.write(content, to: path) }
    defer { unlink(path) }
    for command in [["list"], ["show", "1"], ["stats"], ["export"], ["report", "--html", "-"]] {
      let ended = Program.run(
        Program.oomwitness, ["history", command[0], "--database", path] + command.dropFirst())
      #expect(ended.status == 1)
      #expect(ended.output == "")
      #expect(ended.errors == "oomwitness: \(wrong.sentence.replacingOccurrences(of: "PATH", with: path))\n")
    }
    if let content = wrong.content {
      let ended = Program.run(Program.oomwitness, ["history", "import", "--database", path, "/dev/null"])
      #expect(ended.status == 1)
      #expect(Files.text(path) == content)
    }
    #expect(Files.names(in: "/tmp").filter { ("/tmp/" + $0).hasPrefix(path + ".damaged") } == [])
  }

  @Test("another user of its group reads it, while it is written and after; others do not")
  func otherUsers() throws {
    guard geteuid() == 0 else { return }
    let history = try Imported()
    chmod(history.folder, 0o750)
    func asGroup(_ group: String) -> Program.Ended {
      Program.run(
        "/usr/bin/setpriv",
        [
          "--reuid=65534", "--regid=\(group)", "--clear-groups", Program.oomwitness, "history", "export", "--database",
          history.database,
        ])
    }
    let closed = asGroup("0")
    #expect(closed.status == 0, "\(closed.errors)")
    #expect(closed.output.split(separator: "\n").count == history.lines.count)
    #expect(asGroup("65534").status == 1)
    // Held open by one that has written and not merged yet.
    let writer = Program(
      "/usr/bin/python3",
      [
        "-c",
        """
        import sqlite3, sys, time
        database = sqlite3.connect(sys.argv[1])
        database.execute("DELETE FROM events WHERE id = 1")
        database.commit()
        print("written", flush=True)
        time.sleep(60)
        """, history.database,
      ])
    #expect(writer.waitForOutput(containing: "written"))
    let open = asGroup("0")
    #expect(open.status == 0, "\(open.errors)")
    #expect(open.output.split(separator: "\n").count == history.lines.count - 1)
    writer.signal(SIGKILL)
    _ = writer.wait()
    // What was not merged when the writer died is read too.
    let died = asGroup("0")
    #expect(died.status == 0, "\(died.errors)")
    #expect(died.output.split(separator: "\n").count == history.lines.count - 1)
  }

  @Test("a reader beside a writer sees whole transactions, and an import beside another loses nothing")
  func beside() throws {
    let history = try Imported()
    let count = 5000
    func lines(_ host: String) -> String {
      (1...count).map {
        #"{"schema":"oomwitness.v1","type":"loss","host":"\#(host)","boot_id":"b","seq":\#($0),"reason":"ring_full","kernel_count":0,"records":0,"detail":""}"#
      }.joined(separator: "\n")
    }
    for host in ["a", "b"] { Files.write(lines(host), to: history.folder + "/" + host) }
    let writers = ["a", "b"].map {
      Program(Program.oomwitness, ["history", "import", "--database", history.database, history.folder + "/" + $0])
    }
    for _ in 0..<5 {
      let read = history.run("export", "--type", "loss")
      #expect(read.status == 0, "\(read.errors)")
      _ = Line.all(in: read.output)
    }
    for writer in writers { #expect(writer.wait().status == 0) }
    let stored = history.run("export", "--host", "[ab]").output.split(separator: "\n").count
    #expect(stored == 2 * count)
  }

  @Test("killed while it writes, it leaves whole transactions, and goes on from there")
  func killedWriter() throws {
    let history = try Imported()
    let count = 20_000
    let text = (1...count).map {
      #"{"schema":"oomwitness.v1","type":"loss","host":"k","boot_id":"b","seq":\#($0),"reason":"ring_full","kernel_count":0,"records":0,"detail":"\#($0)"}"#
    }.joined(separator: "\n")
    Files.write(text, to: history.folder + "/lines")
    var stored = 0
    for round in 0..<6 {
      let writer = Program(
        Program.oomwitness, ["history", "import", "--database", history.database, history.folder + "/lines"])
      usleep(useconds_t(20_000 + round * 30_000))
      writer.signal(SIGKILL)
      _ = writer.wait()
      #expect(Program.run("/usr/bin/sqlite3", [history.database, "PRAGMA integrity_check"]).output == "ok\n")
      let now = history.run("export", "--host", "k").output.split(separator: "\n").count
      #expect(now >= stored)
      stored = now
    }
    let ended = history.run("import", history.folder + "/lines")
    #expect(ended.status == 0)
    #expect(ended.output == "\(count - stored) stored, \(stored) there already, 0 passed over\n")
    #expect(history.run("export", "--host", "k").output == text + "\n")
  }
}
