// SPDX-License-Identifier: Apache-2.0
import Events
import Sinks

extension Wording {
  static func sentence(_ error: SinkError) -> String {
    switch error {
    case .spoolBusy(let path):
      "another oomwitness has the spool \(TerminalText.safe(path)): end it, or set another state_directory"
    case .system(let operation, let path, let number): "cannot \(operation) \(TerminalText.safe(path)): \(text(number))"
    case .settings(let name, let problem): "sink \(TerminalText.safe(name)): \(sentence(problem))"
    }
  }

  static func sentence(_ problem: DestinationSettings.Problem) -> String {
    switch problem {
    case .name(let name):
      "a name has letters, digits, '.', '_' and '-', 64 at most, and is not '\(TerminalText.safe(name))'"
    case .duplicateName(let name): "two sinks are called '\(TerminalText.safe(name))': give one another name"
    case .relativePath(let path): "'\(TerminalText.safe(path))' is no path from the root"
    case .longPath(let path): "the path \(TerminalText.safe(path)) is longer than the kernel takes, or has a NUL"
    case .host(let host): "'\(TerminalText.safe(host))' is no host"
    case .port(let port): "a port is 1 to 65535, not \(port)"
    case .facility(let number): "a facility is 0 to 23, not \(number)"
    case .url: "a URL begins with https:// or http:// and has no blanks"
    case .header: "a header is a line of NAME: VALUE, and there are \(HTTPSettings.headersMax) at most"
    case .outOfRange(let what, let number, let range):
      "\(what): \(number) is not \(range.lowerBound) to \(range.upperBound)"
    case .notInPod: "this is no pod: give the URL of the API server"
    case .unknownType(let type):
      "no line is of type '\(TerminalText.safe(type))' (there are "
        + "\(DestinationFilter.knownTypes.sorted().joined(separator: ", ")))"
    }
  }

  static func sentence(_ failure: DestinationFailure) -> String {
    switch failure {
    case .system(let what, let number): "cannot \(what): \(text(number))"
    case .closed: "the other end closed it"
    case .timeout: "nothing was taken for too long"
    case .noAddress(let host): "\(TerminalText.safe(host)) has no address"
    case .answer(let status, let beginning): "answered with \(status): \(TerminalText.safe(beginning))"
    case .program(let status, let text): "curl ended with \(status): \(TerminalText.safe(text))"
    case .noProgram(let name): "there is no \(name) here"
    case .badFile(let path): "\(TerminalText.safe(path)) does not hold what it is to hold"
    case .tooLong(let bytes): "a line of \(bytes) bytes is larger than it takes"
    }
  }
}

extension Loss {
  /// As a line of the stream. Kills among them are in the stream all the same: the books are not touched.
  init(_ loss: DeliveryLoss) {
    let whose = loss.destination.map { "sink \($0)" } ?? "all sinks"
    let lines = "\(loss.lines) line\(loss.lines == 1 ? "" : "s")"
    let (reason, detail): (Reason, String) =
      switch loss.reason {
      case .full: (.sinkFull, "\(whose): \(lines) given up, the oldest: no more room to keep them")
      case .damaged: (.spoolDamaged, "\(whose): \(lines) damaged in the spool")
      case .refused(let failure): (.sinkRefused, "\(whose): \(lines) refused: \(Wording.sentence(failure))")
      case .ended: (.sinkRefused, "\(whose): \(lines) not delivered: it has ended")
      }
    self.init(reason: reason, kernelCount: 0, records: loss.lines, detail: detail)
  }
}
