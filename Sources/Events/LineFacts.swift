// SPDX-License-Identifier: Apache-2.0

/// What a finished line tells those who pass it on: whom it is about, how bad it is, and a sentence for people.
///
/// Read from the line itself, so that a line of an hour ago, from disk, is treated as one of now. What is absent in the
/// line is nil here; of a line that is no JSON all is. Shape: docs/schema/oomwitness.v1.schema.json.
package struct LineFacts: Hashable, Sendable {
  /// A process, and where it was.
  package struct Subject: Hashable, Sendable {
    package var pid: Int64?
    package var comm: KernelName?
    package var user: String?
    package var kernelCount: Int64?
    package var cgroup: KernelName?
    package var unit: String?
    package var container: ContainerRef?
    package var pod: PodRef?
  }

  package var type: String?
  package var wallNanoseconds: Int64?
  package var monotonicNanoseconds: Int64?
  package var host: String?
  package var bootID: String?
  package var sequence: Int64?
  package var scope: String?
  package var source: String?
  package var decisionID: Int64?
  /// The victim; of a pressure line the group; of a policy's the process.
  package var subject = Subject()
  package var explanation: String?
  package var detail: String?
  package var level: String?
  package var reason: String?
  package var outcome: String?
  package var signal: String?
  package var by: String?
  package var exited: Bool?
  package var exitMicroseconds: Int64?
  package var version: String?
  package var kills: Int64?

  /// - Parameter line: with or without its `\n`.
  package init(_ line: [UInt8]) {
    var isGiven = false
    var json = JSONReader {
      defer { isGiven = true }
      return isGiven ? [] : line
    }
    do throws(JSONReader.Fault) {
      var read = self
      try json.object { (json, key) throws(JSONReader.Fault) in try read.take(key, &json) }
      self = read
    } catch {
      // Not a line of ours: nothing is known of it.
    }
  }

  private mutating func take(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "type": type = try json.text()
    case "time": wallNanoseconds = try json.text().flatMap(RFC3339.nanoseconds)
    case "monotonic_ns": monotonicNanoseconds = try json.integer().flatMap { $0 < 0 ? nil : $0 }
    case "host": host = try json.text()
    case "boot_id": bootID = try json.text()
    case "seq": sequence = try json.integer()
    case "scope": scope = try json.text()
    case "source": source = try json.text()
    case "explanation": explanation = try json.text()
    case "detail": detail = try json.text()
    case "level": level = try json.text()
    case "reason": reason = try json.text()
    case "outcome": outcome = try json.text()
    case "signal": signal = try json.text()
    case "by": by = try json.text()
    case "exited": exited = try json.flag()
    case "exit_us": exitMicroseconds = try json.integer()
    case "version": version = try json.text()
    case "kills": kills = try json.integer()
    case "decision":
      var id: Int64?
      try json.object { (json, key) throws(JSONReader.Fault) in
        guard key == "id" else { return false }
        id = try json.integer()
        return true
      }
      decisionID = id
    case "victim", "process", "task": try subject.read(&json)
    case "cgroup", "systemd_unit", "container", "kubernetes":
      // Of a guard's line the victim has its own, and this is whose limit was watched.
      guard type == "pressure" else { return false }
      return try subject.take(key, &json)
    default: return false
    }
    return true
  }
}

extension LineFacts.Subject {
  fileprivate mutating func read(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var read = self
    try json.object { (json, key) throws(JSONReader.Fault) in try read.take(key, &json) }
    self = read
  }

  fileprivate mutating func take(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "pid": pid = try json.integer()
    case "comm": comm = try json.text().map { KernelName($0) }
    // All bytes of it; it comes after the text.
    case "comm_hex": comm = try json.text().flatMap(KernelName.init(hex:)) ?? comm
    case "user": user = try json.text()
    case "kernel_count": kernelCount = try json.integer()
    case "systemd_unit": unit = try json.text()
    case "cgroup": cgroup = try CgroupRef(&json)?.path
    case "container": container = try ContainerRef(&json)
    case "kubernetes": pod = try PodRef(&json)
    default: return false
    }
    return true
  }
}
