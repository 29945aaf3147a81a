// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import KernelProbe
import Witness

/// Makes the events of a recorded stream again, on any host and without a kernel's help.
struct Replay: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Tells the events of a recording that `trace --record` has written.",
    discussion: "What the recording host's /proc knew is not in a recording, and so not in these events.")

  @Argument(help: "The recording.") var file: String
  @OptionGroup var output: OutputOptions
  @Option(help: ArgumentHelp("How many candidates to list, or all; all are counted.", valueName: "n|all"))
  var candidates: CandidateCount = .first(20)

  func run() throws {
    let reader: Recording.Reader
    do throws(Recording.Failure) {
      reader = try Recording.Reader(path: file)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    let context = reader.context
    var configuration = Assembler.Configuration(source: context.source, pageSizeBytes: context.pageSizeBytes)
    configuration.candidatesListed = candidates.limit
    configuration.seesBadness = context.seesBadness
    configuration.seesMemoryFreed = context.seesMemoryFreed
    configuration.hasManyMemoryNodes = context.hasManyMemoryNodes
    let writer = EventWriter(
      format: output.format, host: output.hostName ?? "replay", bootID: nil, pageSizeBytes: context.pageSizeBytes)
    let input = RecordInput(source: reader, configuration: configuration)
    var actions: [Assembler.Action] = []
    input.finish(&actions)
    for action in actions {
      guard let (event, moment) = Replay.event(action) else { continue }
      _ = writer.write(
        event,
        at: EventTime(
          wallNanoseconds: moment + context.wallLessMonotonicNanoseconds, monotonicNanoseconds: moment))
    }
    writer.drain(timeoutMilliseconds: 10_000)
    if let failure = reader.failure { throw Diagnostic.fail(Wording.sentence(failure)) }
  }

  private static func event(_ action: Assembler.Action) -> (Event, Int64)? {
    switch action {
    case .tell(var kill, let moment, _):
      kill.nameWhatProcLacked()
      return (.oomKill(kill), moment)
    case .tellOutcome(let outcome, let moment): return (.oomOutcome(outcome), moment)
    case .tellNoKill(let noKill, let moment): return (.oomNoKill(noKill), moment)
    case .tellGuard(let action, let moment): return (.guardAction(action), moment)
    case .tellLogged, .lose: return nil
    }
  }
}
