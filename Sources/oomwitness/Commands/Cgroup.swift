// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import Report
import Sinks

/// The tree of control groups, or one of them from all sides.
struct Cgroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cgroup",
    abstract: "Shows memory cgroups: limits, usage, kills, which limit binds, and who would die at it.",
    discussion: """
      Without a name it is the tree. With one it is that group in full, and a plain
      answer to: is this a system OOM or a limit's OOM in waiting? Version 1 and 2
      are told in the same words; what one of them does not have is left out.
      A name is a cgroup's path, a pid, a container's name or the beginning of its
      id (4 digits or more), a pod (namespace/pod, or its uid), or a systemd unit.
      Examples:
        oomwitness cgroup
        oomwitness cgroup postgresql.service
        oomwitness cgroup default/web-0 --watch
        oomwitness cgroup 3f2a --output json | jq .binding
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Argument(help: ArgumentHelp("What to look at; the tree without it.", valueName: "path|pid|container|pod|unit"))
  var name: String?
  @Option(help: ArgumentHelp("How many processes to list, or all.", valueName: "n|all"))
  var top: CandidateCount = .first(10)
  @Option(help: ArgumentHelp("How many levels of the tree to show below the root. (default: all)", valueName: "n"))
  var depth: Int?
  @Option(
    name: .long, defaultAsFlag: 2.0,
    help: ArgumentHelp(
      "Show it again and again, every so many seconds: a screen on a terminal, else a line of JSON each time.",
      valueName: "seconds"))
  var watch: Double?
  @Option(help: ArgumentHelp("End --watch after so many seconds.", valueName: "seconds"))
  var duration: Double?
  @Option(help: "How to read the processes: iterator is BPF's, proc /proc, auto the first that this kernel allows.")
  var read: ProcessReading = .auto
  @Option(help: "text for people, json for programs.")
  var output: Format = .text

  func validate() throws {
    if let watch, !(watch >= 0.1 && watch <= 86_400) {
      throw ValidationError("--watch takes 0.1 to 86400 seconds, not \(watch)")
    }
    if let duration, !(duration > 0 && duration <= 1e9) {
      throw ValidationError("--duration takes seconds above 0, not \(duration)")
    }
    if watch == nil, duration != nil { throw ValidationError("--duration is for --watch") }
    if let depth, !(0...CgroupReader.ancestorLimit).contains(depth) {
      throw ValidationError("--depth takes 0 to \(CgroupReader.ancestorLimit), not \(depth)")
    }
    if name != nil, depth != nil { throw ValidationError("--depth is for the tree, without a name") }
  }

  func run() throws {
    let table = try ProcessTable(reading: read)
    let path = try name.map(CgroupFinder(table: table).path)
    let reporter = CgroupReporter(table: table, listed: top.limit)
    let style = Style(coloured: OutputOptions.coloured)
    let text = CgroupText(style: style, pageSizeBytes: table.identity.pageSizeBytes)
    func lines(_ columns: Int?) throws -> [String] {
      if let path { return text.lines(try report(reporter, path), columns: columns) }
      return CgroupTreeText(style: style).lines(try tree(reporter))
    }
    func line() throws -> [UInt8] {
      var json = JSONWriter(reserving: 16_384)
      if let path {
        try report(reporter, path).encode(into: &json)
      } else {
        try tree(reporter).encode(into: &json, wallNanoseconds: reporter.wallNanoseconds)
      }
      json.appendRaw(0x0a)
      return json.bytes
    }
    if let watch { return try ScreenWatch(seconds: watch, duration: duration, lines: lines, line: line).run() }
    switch output {
    case .text: try StandardOutput.show(try lines(nil).map { $0 + "\n" }.joined())
    case .json: try StandardOutput.show(try line())
    }
  }

  private func report(_ reporter: CgroupReporter, _ path: KernelName) throws -> CgroupReport {
    if let report = try reporter.report(path) { return report }
    throw Diagnostic.fail("the memory cgroup \(TerminalText.safe(path)) is gone")
  }

  private func tree(_ reporter: CgroupReporter) throws -> CgroupNode {
    if let tree = try reporter.tree(depth: depth) { return tree }
    throw Diagnostic.fail(
      "memory is controlled nowhere that can be seen from here (no hierarchy with the memory controller is mounted)",
      ExitStatus.notPossibleHere)
  }
}
