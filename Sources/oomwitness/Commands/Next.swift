// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import Policy
import Report
import Sinks

/// Predicts whom the kernel would kill now.
struct Next: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "next",
    abstract: "Predicts whom the kernel would kill if memory ran out now, who would follow, and what would change it.",
    discussion: """
      Without --cgroup it is the whole system that runs out. Nothing is changed: --adj, --grow and --limit only suppose.
      Examples:
        oomwitness next --depth 3
        oomwitness next --cgroup /system.slice/db.service --adj 'postgres=-500'
        oomwitness next --limit /kubepods.slice=4G --output json | jq .victim.comm
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Option(help: ArgumentHelp("The control group that runs out, at its limit.", valueName: "path"))
  var cgroup: String?
  @Option(help: ArgumentHelp("The process that asks for the memory.", valueName: "pid"))
  var allocating: Int32?
  @Option(help: ArgumentHelp("How many decisions to look at after the first.", valueName: "n"))
  var depth = 2
  @OptionGroup var whatIf: WhatIfOptions
  @Option(help: ArgumentHelp("How many candidates to list in JSON, or all; all are counted.", valueName: "n|all"))
  var candidates: CandidateCount = .first(20)
  @Option(help: "How to read the processes: iterator is BPF's, proc /proc, auto the first that this kernel allows.")
  var read: ProcessReading = .auto
  @Option(help: "text for people, json for programs.")
  var output: Format = .text

  func validate() throws {
    guard (0...1000).contains(depth) else { throw ValidationError("--depth takes 0 to 1000, not \(depth)") }
    if let allocating, allocating < 1 { throw ValidationError("--allocating takes a pid, not \(allocating)") }
  }

  func run() throws {
    let table = try ProcessTable(reading: read)
    let pageSizeBytes = table.identity.pageSizeBytes
    let limits = try whatIf.limits()
    let path = cgroup ?? limits.last?.path
    let supposed = limits.last { path.map(ProcessTable.rooted) == ProcessTable.rooted($0.path) }?.bytes
    let domain =
      try path.map { try table.domain(cgroup: $0, limitBytes: supposed) } ?? table.system()
    // We are gone before anything can run out.
    var processes = try table.processes(in: domain).filter { $0.pid != getpid() }
    for change in try whatIf.changes(pageSizeBytes: pageSizeBytes)
    where change.apply(to: &processes, matches: Glob.matches) == 0 {
      throw Diagnostic.fail("no process here is '\(change.pattern)' (`oomwitness scores --top all` lists them)")
    }
    if let allocating, !processes.contains(where: { $0.pid == allocating }) {
      throw Diagnostic.fail("process \(allocating) is not here, or not of that control group")
    }
    let rules = try table.rules(for: processes, allocating: allocating)
    let prediction = Prediction(Standings(processes, domain: domain), rules: rules, depth: depth)
    let maker = ForecastMaker(prediction, table: table, listed: candidates.limit)
    try show(maker.forecast(), pageSizeBytes)
  }

  private func show(_ forecast: Forecast, _ pageSizeBytes: Int) throws {
    switch output {
    case .json:
      var json = JSONWriter(reserving: 8192)
      forecast.encode(into: &json)
      try StandardOutput.show(json)
    case .text:
      let style = Style(coloured: OutputOptions.coloured)
      try StandardOutput.show(ForecastText(style: style, pageSizeBytes: pageSizeBytes).text(forecast))
    }
  }
}
