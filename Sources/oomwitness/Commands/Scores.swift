// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import Policy
import Report
import Sinks

/// Ranks the processes as the kernel's OOM killer would.
struct Scores: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ranks processes as the kernel's OOM killer would, with what each score is made of.",
    discussion: """
      POINTS are pages: anon + file + shmem + swap + page tables + ADJ thousandths of the domain. The first is killed first.
      SCORE is what /proc/PID/oom_score shows: 666 for a process that holds nothing.
      Examples:
        oomwitness scores --top 5
        oomwitness scores --cgroup /system.slice/db.service
        oomwitness scores --top all --output ndjson | jq 'select(.oom_score_adj < 0)'
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, ndjson }
  enum Order: String, CaseIterable, ExpressibleByArgument {
    case points, pid, anon, file, shmem, swap, pgtable, adj, comm
  }

  @Option(help: ArgumentHelp("How many to show, or all.", valueName: "n|all"))
  var top: CandidateCount = .first(20)
  @Option(
    help: ArgumentHelp(
      "Only this control group, against its own limit: whom the kernel takes there.", valueName: "path"))
  var cgroup: String?
  @Option(help: "What to sort by; ranks stay the kernel's.")
  var sort: Order = .points
  @Option(help: ArgumentHelp("Only processes whose comm matches, as 'java*'.", valueName: "glob"))
  var filter: String?
  @Option(help: "table for people, json for one array, ndjson for a line each.")
  var output: Format = .table

  func run() throws {
    let table = try ProcessTable()
    let domain = try cgroup.map { try table.domain(cgroup: $0) } ?? table.system()
    let standings = Standings(try table.processes(in: domain), domain: domain)
    var candidates = standings.candidates(limit: filter == nil && sort == .points ? top.limit : nil).list
    if let filter { candidates.removeAll { !Glob.matches(filter, $0.comm) } }
    order(&candidates)
    if let limit = top.limit { candidates = Array(candidates.prefix(limit)) }
    write(candidates.map(table.row), table.identity.pageSizeBytes)
  }

  private func order(_ candidates: inout [Candidate]) {
    func part(_ candidate: Candidate, _ path: KeyPath<BadnessParts, Pages>) -> Pages {
      candidate.parts?[keyPath: path] ?? 0
    }
    switch sort {
    case .points: break
    case .pid: candidates.sort { $0.pid < $1.pid }
    case .anon: candidates.sort { part($0, \.anonPages) > part($1, \.anonPages) }
    case .file: candidates.sort { part($0, \.filePages) > part($1, \.filePages) }
    case .shmem: candidates.sort { part($0, \.shmemPages) > part($1, \.shmemPages) }
    case .swap: candidates.sort { part($0, \.swapPages) > part($1, \.swapPages) }
    case .pgtable: candidates.sort { part($0, \.pgtablePages) > part($1, \.pgtablePages) }
    case .adj: candidates.sort { $0.oomScoreAdj > $1.oomScoreAdj }
    case .comm: candidates.sort { $0.comm.text < $1.comm.text }
    }
  }

  private func write(_ rows: [ScoreRow], _ pageSizeBytes: Int) {
    let sink = DescriptorSink()
    switch output {
    case .table:
      let style = Style(coloured: OutputOptions.coloured)
      _ = sink.write(Array(ScoreTable(style: style, pageSizeBytes: pageSizeBytes).text(rows).utf8))
    case .ndjson:
      var json = JSONWriter(reserving: 1024)
      for row in rows {
        json.reset()
        row.encode(into: &json)
        json.appendRaw(0x0a)
        _ = sink.write(json.bytes)
      }
    case .json:
      var json = JSONWriter(reserving: rows.count * 512)
      json.array { json in for row in rows { row.encode(into: &json) } }
      json.appendRaw(0x0a)
      _ = sink.write(json.bytes)
    }
    sink.drain(timeoutMilliseconds: Int32.max)
  }
}
