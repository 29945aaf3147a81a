// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How many candidates an event lists.
enum CandidateCount: ExpressibleByArgument, CustomStringConvertible {
  case all
  case first(Int)

  init?(argument: String) {
    if argument == "all" {
      self = .all
    } else if let count = Int(argument), count >= 0 {
      self = .first(count)
    } else {
      return nil
    }
  }

  var defaultValueDescription: String { description }

  var description: String {
    switch self {
    case .all: "all"
    case .first(let count): "\(count)"
    }
  }

  /// Nil: no limit.
  var limit: Int? {
    if case .first(let count) = self { return count }
    return nil
  }
}
