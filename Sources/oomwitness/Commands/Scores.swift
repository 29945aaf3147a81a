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
    commandName: "scores",
    abstract: "Ranks processes as the kernel's OOM killer would, with what each score is made of.",
    discussion: """
      POINTS are pages: anon + file + shmem + swap + page tables + ADJ thousandths of the domain. The first is killed first.
      SCORE is what /proc/PID/oom_score shows: 666 for a process that holds nothing.
      Who is never killed (init, kernel threads, -1000) comes last, with the reason; kernel threads with --top all.
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

  @Option(help: "How to read the processes: iterator is BPF's, proc /proc, auto the first that this kernel allows.")
  var read: ProcessReading = .auto

  @Option(
    name: .long, defaultAsFlag: 2.0,
    help: ArgumentHelp(
      "Show it live, every so many seconds: a screen on a terminal, else tables.", valueName: "seconds"))
  var watch: Double?
  @Option(help: ArgumentHelp("End --watch after so many seconds.", valueName: "seconds"))
  var duration: Double?

  func validate() throws {
    if let watch, !(watch >= 0.1 && watch <= 86_400) {
      throw ValidationError("--watch takes 0.1 to 86400 seconds, not \(watch)")
    }
    if let duration, !(duration > 0 && duration <= 1e9) {
      throw ValidationError("--duration takes seconds above 0, not \(duration)")
    }
    if watch != nil, output != .table { throw ValidationError("--watch shows tables; leave out --output \(output)") }
    if watch == nil, duration != nil { throw ValidationError("--duration is for --watch") }
  }

  func run() throws {
    let table = try ProcessTable(reading: read)
    guard let watch else { return try show(rows(table), table.identity.pageSizeBytes) }
    let live = ScoreWatch(
      table: table, seconds: watch, duration: duration, order: sort, filter: filter,
      view: { try view(table, $0, $1, limit: ScoreScreen.rowsMax) }, rows: { try rows(table) })
    try live.run()
  }

  /// The rows of a table, as they are now: the first of the whole system where the kernel ranks them for us.
  private func rows(_ table: ProcessTable) throws -> [ScoreRow] {
    if let limit = top.limit, cgroup == nil, filter == nil, sort == .points {
      let system = try table.system()
      if let first = table.first(limit, of: system) {
        return Standings(first, domain: system).candidates(limit: limit).list.map(table.row)
      }
    }
    return try view(table, sort, filter, limit: top.limit).rows
  }

  /// What is shown, of all processes of the domain as they are now.
  private func view(_ table: ProcessTable, _ sort: Order, _ filter: String?, limit: Int?) throws -> ScoreWatch.View {
    let domain = try cgroup.map { try table.domain(cgroup: $0) } ?? table.system()
    // Those who ask for a few, ask who is next: kernel threads are for who looks at all, or for one.
    let wantsKernelThreads = limit == nil || limit == ScoreScreen.rowsMax || filter != nil
    let standings = Standings(
      try table.processes(in: domain, groups: false, kernelThreads: wantsKernelThreads), domain: domain)
    let kernelThreads = standings.processes.count { $0.skipped == .kernelThread }
    var candidates = standings.candidates(limit: filter == nil && sort == .points ? limit : nil).list
    if let filter { candidates.removeAll { !Glob.matches(filter, $0.comm) } }
    order(&candidates, by: sort)
    if let limit { candidates = Array(candidates.prefix(limit)) }
    return ScoreWatch.View(
      rows: candidates.map(table.row), eligible: standings.contenders.count,
      considered: standings.processes.count - kernelThreads,
      domain: domain.limit.cgroup?.path.map { "cgroup \(TerminalText.safe($0))" } ?? "the whole system")
  }

  private func order(_ candidates: inout [Candidate], by sort: Order) {
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

  private func show(_ rows: [ScoreRow], _ pageSizeBytes: Int) throws {
    switch output {
    case .table:
      let style = Style(coloured: OutputOptions.coloured)
      try StandardOutput.show(ScoreTable(style: style, pageSizeBytes: pageSizeBytes).text(rows))
    case .ndjson: try StandardOutput.show(lines: rows) { $0.encode(into: &$1) }
    case .json:
      var json = JSONWriter(reserving: rows.count * 512)
      json.array { json in for row in rows { row.encode(into: &json) } }
      try StandardOutput.show(json)
    }
  }
}
