// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Debian's python3 with its jsonschema: a judge of our lines that we have not written.
public enum Python {
  /// Why it cannot judge here; nil where it can.
  public static let refusal: String? = {
    let tried = run("from jsonschema import Draft202012Validator", [])
    return tried.status == 0 ? nil : "needs /usr/bin/python3 and python3-jsonschema: \(tried.output)"
  }()

  public static var mayRun: Bool { Requirement.mustRun || refusal == nil }

  /// Runs a script with arguments; its output and then its errors.
  public static func run(_ script: String, _ arguments: [String]) -> (status: Int32, output: String) {
    let ended = Program.run("/usr/bin/python3", ["-I", "-c", script] + arguments, environment: ["PYTHONUTF8": "1"])
    return (ended.status, ended.output + ended.errors)
  }

  /// A new file below /tmp that holds `text`.
  public static func temporaryFile(_ text: String) -> String {
    var template = Array("/tmp/oomwitness-events-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    precondition(descriptor >= 0)
    let bytes = Array(text.utf8)
    let written = write(descriptor, bytes, bytes.count)
    precondition(written == bytes.count)
    close(descriptor)
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
