// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Policy
import Report

/// Says what limits of memory should be, and writes what sets them.
struct Limits: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "limits",
    abstract: "Says what the memory limits of containers and services should be, why, and writes what sets them.",
    discussion: """
      Without a name it looks at all containers of this host and at the services and groups with a limit: peak, working \
      set, and the kills that the kernel has counted and its log tells. A limit is never below what was already used, \
      and a leak is called one: more memory would only postpone its next kill. --kubernetes reads what kubectl prints \
      of a whole cluster in place of this host: limits, requests, restarts and OOMKilled, but no usage.
      --write shows a file for others to take; it is only written where --to says. docs/limits.md has the rules.

      Examples:
        oomwitness limits
        oomwitness limits web shop/cart db.service
        oomwitness limits --write compose --to compose.override.yaml web
        kubectl get pods -A -o json | oomwitness limits --kubernetes -
        oomwitness limits --kubernetes pods.json --write kubernetes --to patches/
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }
  enum Writer: String, CaseIterable, ExpressibleByArgument { case compose, kubernetes, systemd, jvm }

  @Argument(help: "Containers, pods, units or cgroups; with --kubernetes [NAMESPACE/]NAME of workloads.")
  var names: [String] = []
  @Option(
    help: ArgumentHelp(
      "A log to take kills from, in place of this host's; - is standard input. Repeatable.", valueName: "file"))
  var log: [String] = []
  @Option(help: ArgumentHelp("What `kubectl get pods -A -o json` printed; - is standard input.", valueName: "file"))
  var kubernetes: String?
  @Option(help: "Show a file that sets the limits, or notes on the heaps of JVMs.")
  var write: Writer?
  @Option(help: ArgumentHelp("Write it there; a folder where there are several files.", valueName: "path"))
  var to: String?
  @Flag(help: "Write over files that are there.")
  var force = false
  @Option(help: "text for people, json for programs.")
  var output: Format = .text

  func validate() throws {
    if to != nil, write == nil { throw ValidationError("--to is for --write") }
    if to == "" { throw ValidationError("--to takes a path") }
    if force, to == nil { throw ValidationError("--force is for --to") }
    if write != nil, output == .json {
      throw ValidationError("--write shows a file, and --output json a document: take one")
    }
    guard kubernetes != nil else { return }
    if !log.isEmpty { throw ValidationError("--log is for this host, and --kubernetes for a cluster: take one") }
    if write == .compose || write == .systemd {
      throw ValidationError("what --kubernetes reads is written by --write kubernetes or jvm")
    }
  }

  func run() throws {
    if let kubernetes {
      let cluster = try ClusterLimits(path: kubernetes)
      let advice = try cluster.chosen(names).map(LimitAdvice.advise)
      try show(advice, LimitsDocument.Source(cluster.list))
    } else {
      let host = try HostLimits(logs: log)
      try show(try host.evidence(names).map(LimitAdvice.advise), .host(groupsOmitted: host.omitted))
    }
  }

  private func show(_ unsorted: [AdvisedLimit], _ source: LimitsDocument.Source) throws {
    let advice = LimitsDocument.sorted(unsorted)
    if let write { return try LimitWriter(advice, write).write(to: to, overwriting: force) }
    switch output {
    case .json:
      var json = JSONWriter(reserving: 16_384)
      LimitsDocument(source: source, advice: advice).encode(into: &json)
      try StandardOutput.show(json)
    case .text: try StandardOutput.show(LimitText(style: Style(coloured: OutputOptions.coloured)).text(advice))
    }
  }
}
