// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import KernelProbe
import Witness

/// Watches the kernel and tells every OOM kill as it happens. Read from top to bottom: the main path of the program.
struct Trace: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Tells every OOM kill as it happens: who, why, and who else was considered.",
    discussion: """
      Needs root, or CAP_BPF and CAP_PERFMON (CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH for all details).
      Examples:
        oomwitness trace                             on a terminal: for people
        oomwitness trace | jq .explanation           one JSON object a line
        oomwitness trace --cgroup '/kubepods*' --count 1
        oomwitness trace --since-boot                what the log still has, too
      """)

  @OptionGroup var output: OutputOptions
  @OptionGroup var filter: FilterOptions
  @OptionGroup var probe: ProbeOptions
  @Option(help: ArgumentHelp("How many candidates to list, or all; all are counted.", valueName: "n|all"))
  var candidates: CandidateCount = .first(20)
  @Option(help: ArgumentHelp("End after so many kills.", valueName: "n"))
  var count: Int?
  @Option(help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
  var duration: Double?
  @Option(help: ArgumentHelp("Also write the kernel's records to a file, for `oomwitness replay`.", valueName: "file"))
  var record: String?

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count takes a number from 1, not \(count)") }
    if let duration, !(duration > 0 && duration <= 1e9) {
      throw ValidationError("--duration takes seconds above 0, not \(duration)")
    }
  }

  func run() throws {
    let host = try TracedHost()
    let stop = StopSignals()
    let kernel = try TracedKernel(probe: probe, candidates: candidates, record: record, host: host)
    host.protectItself()
    let writer = EventWriter(
      format: output.format, host: output.hostName ?? host.identity.hostName, bootID: host.identity.bootID,
      pageSizeBytes: host.identity.pageSizeBytes)

    WitnessLoop.rehearse(host: host.facts, swallow: writer.rehearse)

    var surroundings = WitnessLoop.Surroundings(tell: writer.write)
    surroundings.stopDescriptor = stop.descriptor
    surroundings.pressureDescriptor = host.pressureDescriptor
    surroundings.waitingOutput = { writer.sink.isWaiting ? writer.sink.descriptor : nil }
    surroundings.flushOutput = writer.sink.flush
    surroundings.isOutputClosed = { writer.sink.isClosed }
    surroundings.biggest = kernel.biggest
    surroundings.takePast = { kernel.log.takePast(&$0, sink: writer.sink) }

    var options = WitnessLoop.Options()
    options.count = count.map(Int64.init)
    options.durationNanoseconds = duration.map { Int64($0 * 1e9) }
    options.wants = filter.wants
    options.oomKillAtStart = kernel.log.oomKillCount
    (options.isCrossChecked, options.tellsPast) = (kernel.isCrossChecked, kernel.log.hasPast)

    host.dropRights(keepingBPF: kernel.usesIterator)
    let second = SecondWaiter(descriptor: kernel.input.descriptor)
    surroundings.runs = { second?.loopRuns() }
    WitnessLoop(input: kernel.input, host: host.facts, options: options, surroundings: surroundings).run(kernel.start)
    writer.sink.drain(timeoutMilliseconds: 1000)
    withExtendedLifetime((host, kernel)) {}
  }
}
