// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// `oomwitness daemon` with a folder of its own, and its metrics.
final class WatchedDaemon {
  let folder: String
  let program: Program
  let port = RawClient.freePort()
  var configuration: String { folder + "/config.yaml" }

  /// - Parameter metrics: the section, with PORT and FOLDER for what they are here.
  init(metrics: String, sections: String = "") {
    var template = Array("/tmp/oomwitness-daemon-XXXXXX".utf8CString)
    folder = String(cString: mkdtemp(&template))
    program = WatchedDaemon.started(folder, WatchedDaemon.text(folder, port, metrics, sections))
  }

  private static func text(_ folder: String, _ port: UInt16, _ metrics: String, _ sections: String) -> String {
    let whole = """
      state_directory: FOLDER/state
      sinks: [{type: file, path: FOLDER/events.ndjson}]
      metrics: \(metrics)
      \(sections)
      """
    return whole.replacing("PORT", with: "\(port)").replacing("FOLDER", with: folder)
  }

  private static func started(_ folder: String, _ text: String) -> Program {
    Files.write(text, to: folder + "/config.yaml")
    return Program(Program.oomwitness, ["daemon", "--config", folder + "/config.yaml"])
  }

  /// Another section, read again.
  func reload(metrics: String, sections: String = "") {
    Files.write(WatchedDaemon.text(folder, port, metrics, sections), to: configuration)
    program.signal(SIGHUP)
  }

  static let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

  /// The page; nil where none is offered.
  func page(accept: String = "*/*", path: String? = nil) -> String? {
    let client = path.map { RawClient(path: $0) } ?? RawClient(port: port)
    guard client.isConnected else { return nil }
    client.say("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: \(accept)\r\n\r\n")
    guard let answer = client.hear(), answer.hasPrefix("HTTP/1.1 200 OK\r\n") else { return nil }
    return answer.firstRange(of: "\r\n\r\n").map { String(answer[$0.upperBound...]) }
  }

  /// Samples once `has` is true of them; what there is after a minute where it never is.
  func samples(path: String? = nil, until has: ([String: String]) -> Bool) -> [String: String] {
    var samples: [String: String] = [:]
    for _ in 0..<600 {
      if let page = page(path: path) {
        samples = MetricJudge.samples(page)
        if has(samples) { return samples }
      }
      usleep(100_000)
    }
    Issue.record("the page never had it: \(samples.filter { $0.value != "0" })")
    return samples
  }

  /// Samples as they are.
  var now: [String: String] { samples { _ in true } }

  /// It has begun to tell.
  func isReady(path: String? = nil) -> Bool {
    let start = #"oomwitness_events_total{type="stream_start"}"#
    return samples(path: path) { $0[start] == "1" }[start] == "1"
  }

  /// Ends it; its folder goes.
  func end() -> Program.Ended {
    program.signal(SIGTERM)
    let ended = program.wait()
    _ = Program.run("/bin/rm", ["-rf", folder])
    return ended
  }
}
