// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Sinks

/// Words what happens on the way to a destination: for `loss` events, for the daemon's own messages and for check-config.
enum DeliveryWording {
  /// What was lost, as an event of the stream itself.
  static func event(_ loss: DeliveryLoss) -> Loss {
    let lines = loss.lines == 1 ? "1 line" : "\(loss.lines) lines"
    let whose = "sink \(loss.destination): \(lines)"
    return switch loss.reason {
    case .full:
      made(
        .sinkFull, loss,
        "\(whose) dropped, since there was no more room to keep \(loss.lines == 1 ? "it" : "them"); its filter may have kept out some of them"
      )
    case .damaged: made(.spoolDamaged, loss, "\(whose) in the spool could not be read any more")
    case .refused(let failure): made(.sinkRefused, loss, "\(whose) refused for good: \(sentence(failure))")
    case .ended: made(.sinkFull, loss, "\(whose) and all that follows come after its end")
    }
  }

  private static func made(_ reason: Loss.Reason, _ loss: DeliveryLoss, _ detail: String) -> Loss {
    Loss(reason: reason, kernelCount: 0, records: loss.lines, detail: detail)
  }

  /// Why a destination takes nothing, safe for a terminal.
  static func sentence(_ failure: DestinationFailure) -> String {
    switch failure {
    case .system(let operation, let number): "cannot \(TerminalText.safe(operation)): \(Wording.text(number))"
    case .closed: "the other end closed the connection"
    case .timeout: "it did not answer in time"
    case .noAddress(let host): "no address is known of \(TerminalText.safe(host))"
    case .answer(let status, let said):
      said.isEmpty ? "the server answered \(status)" : "the server answered \(status): \(firstLine(said))"
    case .program(let status, let said): said.isEmpty ? "curl exited with \(status)" : firstLine(said)
    case .noProgram(let program): "there is no program \(program) here (apt-get install \(package(program)))"
    case .badFile(let path): "\(TerminalText.safe(path)) does not hold what it is to"
    case .tooLong(let bytes): "a line of \(bytes) bytes is larger than it takes"
    }
  }

  /// What is wrong with a setting, and the way out.
  static func sentence(_ problem: DestinationSettings.Problem) -> String {
    switch problem {
    case .name: "a name is of letters, digits, '.', '_' and '-', 64 at most"
    case .duplicateName(let name): "two sinks are called '\(TerminalText.safe(name))': give one another name"
    case .relativePath(let path): "\(TerminalText.safe(path)) is to begin with /"
    case .longPath(let path): "\(TerminalText.safe(path)) is too long"
    case .host(let host): "'\(TerminalText.safe(host))' is no host"
    case .port(let port): "a port is 1 to 65535, not \(port)"
    case .facility(let number): "a facility is 0 to 23, not \(number)"
    case .url: "a URL begins with https:// or http:// and has no blanks"
    case .header: "a header is NAME: VALUE, and there are no more than \(HTTPSettings.headersMax)"
    case .label(let name): "'\(TerminalText.safe(name))' is no label: letters, digits, '_' and '.'"
    case .outOfRange(let what, let number, let range):
      range.upperBound == .max
        ? "\(what): \(number) is less than \(range.lowerBound)"
        : "\(what): \(number) is not within \(range.lowerBound) to \(range.upperBound)"
    case .notInPod: "KUBERNETES_SERVICE_HOST is not set: this is no pod (url and bearer_token_file may say where to)"
    case .unknownType(let type):
      "'\(TerminalText.safe(type))' is no type of event (known: \(DestinationFilter.knownTypes.sorted().joined(separator: ", ")))"
    }
  }

  private static func firstLine(_ text: String) -> String {
    TerminalText.safe(String((text.split(whereSeparator: \.isNewline).first ?? "").prefix(200)))
  }

  private static func package(_ program: String) -> String { program == "getent" ? "libc-bin" : program }
}
