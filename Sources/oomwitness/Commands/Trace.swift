// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host

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
    witness(host, kernel, output: writer, options: loopOptions(kernel), stop: stop.descriptor)
    writer.drain(timeoutMilliseconds: 1000)
  }
}
