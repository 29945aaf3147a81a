// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Glibc
import Host
import KernelLog
import KernelProbe
import Policy

/// Words the errors of all modules: what failed, and the way out.
enum Wording {
  static func sentence(_ error: ProbeError) -> String {
    switch error {
    case .open(let number): return "cannot open the embedded BPF programs: \(text(number))"
    case .load(let rung, let number, let log):
      if number == EPERM { return "the kernel refuses \(rung.rawValue) programs: \(text(number))\(rights(rung))" }
      let last = log.last.map { " (\(TerminalText.safe($0)))" } ?? ""
      return "the kernel refuses \(rung.rawValue) programs: \(text(number))\(last)"
    case .attach(let program, let number):
      return "cannot attach \(program): \(number == ENOENT ? "this kernel has no such probe" : text(number))"
    case .ring(let number): return "cannot map the ring buffer: \(text(number)) (try a smaller --ring-bytes)"
    case .iterator(let number): return "the kernel refuses the BPF task iterator: \(text(number))"
    case .ranking(let number): return "the kernel refuses to rank processes by BPF: \(text(number))"
    case .malformedRecord(let kind, let bytes):
      return "a record of kind \(kind) with \(bytes) bytes is not of this version"
    }
  }

  static func sentence(_ error: HostError) -> String {
    switch error {
    case .system(let operation, let path, let number):
      "cannot \(operation.rawValue) \(TerminalText.safe(path)): \(text(number))"
    case .malformed(let path, let line, let content):
      "line \(line) of \(TerminalText.safe(path)) is not what the kernel writes: \(TerminalText.safe(content))"
    case .programFailed(let program, let path, let status):
      "\(TerminalText.safe(path)) is damaged or cut off: \(program) ended with status \(status); what came before was read"
    case .tooLarge(let path, let limit): "\(TerminalText.safe(path)) is larger than \(limit) bytes"
    }
  }

  static func sentence(_ error: KernelLogError) -> String {
    switch error {
    case .openFailed(let path, let number):
      "cannot open \(path): \(text(number))"
        + (number == EPERM || number == EACCES ? " (needs root, or CAP_SYSLOG and the right to read it)" : "")
    case .seekFailed(let path, let number): "cannot seek in \(path): \(text(number))"
    case .readFailed(let path, let number): "cannot read \(path): \(text(number))"
    }
  }

  static func sentence(_ error: ConfigurationError) -> String {
    "\(error.file):\(error.place.line):\(error.place.column): \(sentence(error.fault))"
  }

  static func sentence(_ fault: ConfigurationError.Fault) -> String {
    switch fault {
    case .syntax(let problem): "this is no YAML: \(problem)"
    case .alias: "anchors and aliases are not taken: write the value out"
    case .secondDocument: "a second document begins here; one file is one document"
    case .tooDeep(let limit): "nested more than \(limit) deep"
    case .tooManyNodes(let limit): "more than \(limit) values"
    case .holdsNUL: "a NUL, which no name holds"
    case .duplicateKey(let key, let first): "'\(TerminalText.safe(key))' is there already, in line \(first)"
    case .unknownKey(let key, let known):
      "unknown key '\(TerminalText.safe(key))'\(nearest(key, known)) (known: \(known.joined(separator: ", ")))"
    case .notAbsolute(let key, let path): "\(key) is to be a path from the root, not \(TerminalText.safe(path))"
    case .outOfRange(let key, let text, let least, let most):
      "\(key) takes \(least) to \(most), not \(TerminalText.safe(text))"
    case .refused(let sentence): TerminalText.safe(sentence)
    case .missingKey(let key): "'\(key)' is missing"
    case .wrongKind(let what, let wanted, let found):
      "\(what) is to be a \(wanted.map(\.rawValue).joined(separator: " or a ")), not \(words(found))"
    case .emptyMatch: "nothing to match: a rule for everybody is none"
    case .emptyPattern(let key): "\(key) is empty"
    case .adjOutOfRange(let text): "oom_score_adj is -1000 to 1000, not \(TerminalText.safe(text))"
    case .unkillable:
      "-1000 makes unkillable, whatever the process comes to hold; -999 is nearly as safe (or --allow-unkillable)"
    }
  }

  static func sentence(_ fault: PodList.Fault, file: String) -> String {
    let file = TerminalText.safe(file)
    switch fault {
    case .json(let fault): return "\(file):\(fault.line):\(fault.column): \(sentence(fault.reason))"
    case .nothing: return "\(file) is empty (`kubectl get pods -A -o json` prints what is wanted)"
    case .noPodList(let kind):
      let what = kind.map { "a \(TerminalText.safe($0))" } ?? "something else"
      return "\(file) holds no list of pods but \(what) (`kubectl get pods -A -o json` prints one)"
    case .noPods: return "\(file) is a list without a pod"
    }
  }

  private static func sentence(_ reason: JSONReader.Fault.Reason) -> String {
    switch reason {
    case .endsEarly: "this JSON ends in the middle: it was cut off"
    case .unexpected(let byte):
      "this is no JSON: '\(TerminalText.safe(KernelName(bytes: [byte])))' cannot come here"
    case .tooDeep: "nested more than \(JSONReader.depthMax) deep"
    case .textTooLong: "a text of more than \(JSONReader.textBytesMax) bytes"
    case .badText: "this is no JSON: a text that is no UTF-8, or a wrong escape"
    }
  }

  /// `; did you mean 'sinks'?` where one of them is near.
  private static func nearest(_ key: String, _ known: [String]) -> String {
    let near = known.map { ($0, distance(Array(key.utf8.prefix(64)), Array($0.utf8))) }.min { $0.1 < $1.1 }
    guard let near, near.1 <= max(1, near.0.utf8.count / 3) else { return "" }
    return "; did you mean '\(near.0)'?"
  }

  /// How many letters have to be changed, added or left out. Source: V. I. Levenshtein, 1966.
  private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
    var row = Array(0...other.count)
    for (line, letter) in one.enumerated() {
      var (corner, first) = (row[0], line + 1)
      row[0] = first
      for (column, against) in other.enumerated() {
        first = min(corner + (letter == against ? 0 : 1), row[column] + 1, row[column + 1] + 1)
        (corner, row[column + 1]) = (row[column + 1], first)
      }
    }
    return row[other.count]
  }

  /// A rule as people know it.
  static func name(_ rule: ProtectionRule) -> String {
    rule.name == rule.origin
      ? "rule \(rule.origin)" : "rule '\(TerminalText.safe(rule.name))' (\(TerminalText.safe(rule.origin)))"
  }

  private static func words(_ kind: YAMLKind) -> String { kind == .nothing ? "nothing" : "a \(kind.rawValue)" }

  static func sentence(_ error: Recording.Failure) -> String {
    switch error {
    case .open(let path, let number): "cannot open \(TerminalText.safe(path)): \(text(number))"
    case .notARecording(let path):
      "\(TerminalText.safe(path)) is not a recording of this version and byte order (`trace --record` writes one)"
    case .damaged(let path, let offset):
      "\(TerminalText.safe(path)) is damaged at byte \(offset); all before it was told"
    }
  }

  static func text(_ number: Int32) -> String { String(cString: strerror(number)).lowercasedFirst }

  private static func rights(_ rung: ProbeRung) -> String {
    let missing = Capability.missing([.bpf, .perfmon])
    guard !missing.isEmpty else { return " (built without it, locked down, or in a container)" }
    return " (needs root, or \(missing.map(\.name).joined(separator: " and ")))"
  }
}

extension String {
  fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
