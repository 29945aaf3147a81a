// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import History
import Sinks

extension DaemonSettings {
  /// What was understood, for `--check-config`.
  var text: String {
    var lines = ["host name        \(file.hostName.map { TerminalText.safe($0) } ?? "as the kernel has it")"]
    lines.append("state directory  \(TerminalText.safe(file.stateDirectory))")
    lines.append("trace            \(DaemonSettings.words(file.trace))")
    lines.append("pressure         \(file.pressure.map(DaemonSettings.words) ?? "off")")
    lines.append("guard            \(file.guardian.map(DaemonSettings.words) ?? "off")")
    lines.append("protect          \(file.protect.map(DaemonSettings.words) ?? "off")")
    lines.append("metrics          \(metrics.map(DaemonSettings.words) ?? "off")")
    lines.append("history          \(history.map(DaemonSettings.words) ?? "off")")
    if destinations.isEmpty { lines.append("sinks            none: what happens is told nowhere") }
    for (index, sink) in destinations.enumerated() {
      lines.append("\(index == 0 ? "sinks            " : "                 ")\(DaemonSettings.words(sink))")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func words(_ section: DaemonFile.Section) -> String {
    let arguments = section.settings.flatMap(\.arguments)
    return arguments.isEmpty ? "with its defaults" : arguments.map { TerminalText.safe($0) }.joined(separator: " ")
  }

  private static func words(_ metrics: MetricsSettings) -> String {
    let places = [
      metrics.listen.map(\.text), metrics.textFile.map { "\($0.path) every \($0.everySeconds) s" },
      metrics.measuresPrograms ? "BPF programs are measured" : nil,
    ]
    return TerminalText.safe(places.compactMap { $0 }.joined(separator: ", "))
  }

  private static func words(_ history: HistorySettings) -> String {
    "\(TerminalText.safe(history.path)), \(history.secondsMax / 86_400) days and \(history.bytesMax >> 20) MiB at most"
  }

  private static func words(_ sink: DestinationSettings) -> String {
    let place =
      switch sink.kind {
      case .stdout: "standard output"
      case .file(let file): file.path
      case .stream(.unix(let path)): path
      case .stream(.network(let host, let port)): "tcp \(host) port \(port)"
      case .journald(let path): path
      case .syslog(let syslog):
        switch syslog.transport {
        case .unixDatagram(let path): path
        case .udp(let host, let port): "udp \(host) port \(port)"
        case .tcp(let host, let port): "tcp \(host) port \(port)"
        }
      case .http(let http):
        http.urlFile ?? (http.url.isEmpty ? "the cluster's own server" : HTTPSettings.shown(http.url))
      }
    let types = sink.filter.types.sorted().joined(separator: ", ")
    let which = sink.filter.isEmpty ? "" : ", filtered\(types.isEmpty ? "" : ": \(types)")"
    return "\(sink.name): \(TerminalText.safe(place))\(which)"
  }
}
