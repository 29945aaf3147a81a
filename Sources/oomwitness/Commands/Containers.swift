// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import Report
import Sinks

/// The containers of this host, and what is to be said of each; or their kills as they happen.
struct Containers: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "containers",
    abstract: "Lists this host's containers: limit, usage, kills and a verdict each; --events follows their kills.",
    discussion: """
      LIMIT is the one that the container would hit first: its own, its pod's or
      one above. USED is the share of it in use, without page cache that was not
      used lately, as Kubernetes counts. KILLS are processes that the kernel killed
      in it since it began, whether or not its engine noticed; the last is named
      where the kernel's log has it. No engine is asked: cgroups, and the files that
      engines keep, tell.
      --events is the stream of `oomwitness trace` with the kills in containers and
      at their limits alone: one oom_kill line for each process, be it pid 1 of its
      container or not. Who ends with 137 for another reason has no such line.
      Examples:
        oomwitness containers
        oomwitness containers --watch
        oomwitness containers --output json | jq '.[] | select(.kills > 0)'
        oomwitness containers --events | jq .explanation
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, ndjson }

  @Flag(help: "List the sandboxes of pods too, in which nothing runs but pause.")
  var all = false
  @Flag(help: "Follow: one line of NDJSON for each kill, as it happens. Needs the rights of `oomwitness trace`.")
  var events = false
  @Option(
    name: .long, defaultAsFlag: 2.0,
    help: ArgumentHelp(
      "Show the list again and again, every so many seconds: a screen on a terminal, else an array of JSON each time.",
      valueName: "seconds"))
  var watch: Double?
  @Option(help: ArgumentHelp("End --events after so many kills.", valueName: "n"))
  var count: Int?
  @Option(help: ArgumentHelp("End --events or --watch after so many seconds.", valueName: "seconds"))
  var duration: Double?
  @Option(help: "table for people, json for one array, ndjson for a line each. (default: table)")
  var output: Format?

  func validate() throws {
    if let watch, !(watch >= 0.1 && watch <= 86_400) {
      throw ValidationError("--watch takes 0.1 to 86400 seconds, not \(watch)")
    }
    if let count, count < 1 { throw ValidationError("--count takes a number from 1, not \(count)") }
    if let duration, !(duration > 0 && duration <= 1e9) {
      throw ValidationError("--duration takes seconds above 0, not \(duration)")
    }
    if events, all { throw ValidationError("--all is for the list; --events leaves out none") }
    if events, watch != nil { throw ValidationError("--events follows kills and --watch the list: one at a time") }
    if events, output == .table || output == .json { throw ValidationError("--events writes ndjson, nothing else") }
    if !events, count != nil { throw ValidationError("--count is for --events") }
    if !events, watch == nil, duration != nil { throw ValidationError("--duration is for --events and --watch") }
  }

  func run() throws {
    guard !events else { return try follow() }
    let census = try census()
    func rows() throws -> [ContainerRow] {
      do throws(HostError) {
        return try census.rows()
      } catch {
        throw Diagnostic.fail(Wording.sentence(error))
      }
    }
    guard let watch else { return try show(try rows()) }
    let screen = ScreenWatch(
      seconds: watch, duration: duration,
      lines: { _ in Containers.text(try rows()).split(separator: "\n").map(String.init) },
      line: { Containers.array(try rows()) + [0x0a] })
    try screen.run()
  }

  private func census() throws -> ContainerCensus {
    do {
      let cgroups = try CgroupReader()
      guard cgroups.hierarchy != nil else {
        throw Diagnostic.fail(
          "memory is controlled nowhere that can be seen from here (no hierarchy with the memory controller is mounted)",
          ExitStatus.notPossibleHere)
      }
      return ContainerCensus(
        cgroups: cgroups, owners: ContainerResolver(), pageSizeBytes: HostIdentity.pageSizeBytes, listsSandboxes: all)
    } catch let error as HostError {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }

  /// What `trace` tells, of containers alone.
  private func follow() throws {
    var arguments = ["--containers", "--output", "ndjson"]
    if let count { arguments += ["--count", "\(count)"] }
    if let duration { arguments += ["--duration", "\(duration)"] }
    let trace = try Trace.parse(arguments)
    try trace.run()
  }

  private func show(_ rows: [ContainerRow]) throws {
    switch output ?? .table {
    case .table: try StandardOutput.show(Containers.text(rows))
    case .json: try StandardOutput.show(Containers.array(rows) + [0x0a])
    case .ndjson: try StandardOutput.show(lines: rows) { $0.encode(into: &$1) }
    }
  }

  private static func text(_ rows: [ContainerRow]) -> String {
    guard !rows.isEmpty else { return "No container runs on this host.\n" }
    return ContainerTable(style: Style(coloured: OutputOptions.coloured)).text(rows)
  }

  private static func array(_ rows: [ContainerRow]) -> [UInt8] {
    var json = JSONWriter(reserving: rows.count * 1024)
    json.array { json in for row in rows { row.encode(into: &json) } }
    return json.bytes
  }
}
