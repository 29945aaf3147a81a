// SPDX-License-Identifier: Apache-2.0
import Events

/// Lines of a loop that knows of no kernel's count: what the output does not take is counted, and told once it has room.
///
/// The witness keeps books of its own, in which a line that is lost is a kill as well (LossLedger).
final class CountedOutput {
  private let output: any EventOutput
  /// Not told yet.
  private var linesDropped: Int64 = 0

  init(_ output: any EventOutput) { self.output = output }

  /// Tells what was lost, and then this.
  func write(_ event: Event, at time: EventTime = .now) {
    tellLoss(at: time)
    if !output.write(event, at: time) { linesDropped += 1 }
  }

  func tellLoss(at time: EventTime = .now) {
    guard linesDropped > 0, output.waitingDescriptor == nil else { return }
    let loss = Loss(
      reason: .outputFull, kernelCount: 0, records: linesDropped, detail: "\(linesDropped) lines found no room")
    if output.write(.loss(loss), at: time) { linesDropped = 0 }
  }
}
