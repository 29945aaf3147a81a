// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// One line of the stream, parsed by Foundation and not by us.
public struct Line {
  public var object: [String: Any]

  public init(object: [String: Any]) { self.object = object }

  public static func all(in text: String) -> [Line] {
    text.split(separator: "\n").map { line in
      let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
      #expect(object != nil, "not JSON: \(line)")
      return Line(object: object ?? [:])
    }
  }

  public var type: String { object["type"] as? String ?? "" }

  public func value(_ path: [String]) -> Any? {
    path.dropLast().reduce(object as [String: Any]?) { $0?[$1] as? [String: Any] }?[path.last!]
  }

  public func number(_ path: String...) -> Int? { value(path) as? Int }
  public func text(_ path: String...) -> String? { value(path) as? String }
  public func array(_ path: String...) -> [Any]? { value(path) as? [Any] }

  /// A field as canonical text, to compare whole.
  public func json(_ field: String) -> String? {
    guard let value = object[field] else { return nil }
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .fragmentsAllowed]
    return (try? JSONSerialization.data(withJSONObject: value, options: options)).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}
