// SPDX-License-Identifier: Apache-2.0
import Events

/// What of one line of the stream has a column of its own; the line is kept whole beside it.
///
/// Types and fields that are not known are passed over: a later version's lines are kept too.
/// Shape: docs/schema/oomwitness.v1.schema.json.
package struct LineColumns: Hashable, Sendable {
  /// Bytes of one line; a kill with 128 candidates has 60,000.
  package static let lineBytesMax = 1024 * 1024

  /// Why a line is not taken.
  package enum Fault: Error, Hashable, Sendable {
    case tooLong
    case json(JSONReader.Fault)
    /// It is of another schema, or of none.
    case schema(String?)
    /// It lacks this field, or has no such value in it.
    case field(String)
  }

  package var type = ""
  package var wallNanoseconds: Int64?
  package var monotonicNanoseconds: Int64?
  package var host: String?
  package var bootID: String?
  package var sequence: Int64 = 0
  package var pageSizeBytes: Int64?

  package var source: String?
  package var decisionID: Int64?
  package var pid: Int64?
  package var tid: Int64?
  package var startWallNanoseconds: Int64?
  package var comm: String?
  package var cgroup: String?
  package var unit: String?
  package var containerID: String?
  package var container: String?
  package var namespace: String?
  package var pod: String?
  package var podContainer: String?
  package var podUID: String?
  package var limitCgroup: String?
  package var scope: String?
  package var points: Int64?
  package var heldPages: Int64?
  package var limitPages: Int64?
  /// A pressure's level, a guard's or a rule's outcome, the reason of a loss or of a kill that did not happen.
  package var detail: String?

  private var schema: String?
  private var hasHost = false

  /// Reads one line, with or without its newline.
  package init(_ line: [UInt8]) throws(Fault) {
    guard line.count <= LineColumns.lineBytesMax else { throw .tooLong }
    do throws(JSONReader.Fault) {
      try read(line)
    } catch {
      throw .json(error)
    }
    guard schema == NDJSONEncoder.schema else { throw .schema(schema) }
    guard LineColumns.isName(type) else { throw .field("type") }
    guard sequence > 0 else { throw .field("seq") }
    if type == "oom_kill", pid == nil || comm == nil || decisionID == nil { throw .field("victim") }
  }

  /// When it was, for the order: by the wall clock, and where there is none by the time since boot.
  package var orderNanoseconds: Int64 { wallNanoseconds ?? monotonicNanoseconds ?? 0 }

  /// Small letters and low lines.
  private static func isName(_ text: String) -> Bool {
    (1...32).contains(text.utf8.count)
      && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "_") }
  }

  private mutating func read(_ line: [UInt8]) throws(JSONReader.Fault) {
    var rest = line
    var json = JSONReader {
      defer { rest = [] }
      return rest
    }
    try json.object { (json, key) throws(JSONReader.Fault) in try field(key, &json) }
    try json.end()
  }

  private mutating func field(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "schema": schema = try json.text()
    case "type": type = try json.text() ?? ""
    case "time": wallNanoseconds = try json.text().flatMap(RFC3339.nanoseconds)
    case "monotonic_ns": monotonicNanoseconds = try json.integer().flatMap { $0 < 0 ? nil : $0 }
    case "host": host = try json.text()
    case "boot_id": bootID = try json.text()
    case "seq": sequence = try json.integer() ?? 0
    case "page_size":
      // Of any kernel: 4 to 256 KiB. Source: arch/Kconfig, PAGE_SHIFT.
      pageSizeBytes = try json.integer().flatMap { bytes in
        (12...18).contains { Int64(1) << $0 == bytes } ? bytes : nil
      }
    case "source": source = try json.text()
    case "scope": scope = try json.text()
    case "level", "outcome", "reason":
      // A policy_action has a reason beside its outcome.
      let text = try json.text()
      if key != "reason" || detail == nil { detail = text }
    case "decision":
      try json.object { (json, key) throws(JSONReader.Fault) in
        if key == "id" { decisionID = try json.integer() }
        return key == "id"
      }
    case "victim", "process", "task": try process(&json)
    case "badness": try badness(&json)
    case "limit": try limit(&json)
    default: return try owner(key, &json)
    }
    return true
  }

  private mutating func process(_ json: inout JSONReader) throws(JSONReader.Fault) {
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": pid = try json.integer()
      case "tid": tid = try json.integer()
      case "comm": comm = try json.text()
      case "start_time": startWallNanoseconds = try json.text().flatMap(RFC3339.nanoseconds)
      default: return try owner(key, &json)
      }
      return true
    }
  }

  /// A group and whom it belongs to, of a process or of the line itself.
  private mutating func owner(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "cgroup": cgroup = try LineColumns.path(&json) ?? cgroup
    case "systemd_unit": unit = try json.text()
    case "container":
      try json.object { (json, key) throws(JSONReader.Fault) in
        switch key {
        case "id": containerID = try json.text()
        case "name": container = try json.text()
        default: return false
        }
        return true
      }
    case "kubernetes":
      try json.object { (json, key) throws(JSONReader.Fault) in
        switch key {
        case "namespace": namespace = try json.text()
        case "pod": pod = try json.text()
        case "container": podContainer = try json.text()
        case "pod_uid": podUID = try json.text()
        default: return false
        }
        return true
      }
    default: return false
    }
    return true
  }

  private mutating func badness(_ json: inout JSONReader) throws(JSONReader.Fault) {
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "points": points = try json.integer()
      case "breakdown":
        try json.object { (json, key) throws(JSONReader.Fault) in
          guard key != "adj_points" else { return false }
          if let pages = try json.integer() { heldPages = (heldPages ?? 0) &+ pages }
          return true
        }
      default: return false
      }
      return true
    }
  }

  private mutating func limit(_ json: inout JSONReader) throws(JSONReader.Fault) {
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "limit_pages": limitPages = try json.integer()
      case "cgroup": limitCgroup = try LineColumns.path(&json)
      default: return false
      }
      return true
    }
  }

  private static func path(_ json: inout JSONReader) throws(JSONReader.Fault) -> String? {
    var path: String?
    try json.object { (json, key) throws(JSONReader.Fault) in
      if key == "path" { path = try json.text() }
      return key == "path"
    }
    return path
  }
}
