// SPDX-License-Identifier: Apache-2.0

extension KillStatistics {
  /// Names of a kind that a document lists, the most often killed first; how many were left out is said.
  static let namesListedMax = 256

  /// The `statistics` of an analysis. The contract of the fields is docs/schema/analysis.v1.schema.json.
  package func encode(into json: inout JSONWriter) {
    json.object { json in
      tally.encodeFields(into: &json)
      json.field("no_kills", noKills)
      json.objectField("by_scope") {
        for scope in Scope.allCases { $0.field(scope.fieldName, byScope[scope] ?? 0) }
        $0.field("unknown", scopeUnknown)
      }
      json.objectField("incomplete") {
        $0.field("decisions", incomplete)
        $0.field("without_head", withoutHead)
        $0.field("without_table", withoutTable)
        $0.field("reports_without_kill", reportsAbandoned)
      }
      json.field("kills_without_time", withoutTime)
      json.field("names_dropped", kindsDropped)
      moments.encodeFields(into: &json)
      processes.encode("processes", into: &json)
      cgroups.encode("cgroups", into: &json)
      units.encode("units", into: &json)
      encodePods(into: &json)
      encodeContainers(into: &json)
      hosts.encode("hosts", into: &json)
      days.encode("days", secondsOfOne: 86_400, into: &json)
      hours.encode("hours", secondsOfOne: 3600, into: &json)
      json.field("by_hour_of_day") { json in
        json.array { json in
          for kills in byHourOfDay { json.value(Int64(kills)) }
        }
      }
      encodeConditions(into: &json)
      encodeVictims(into: &json)
      encodeLimits(into: &json)
      encodeProtectedHolders(into: &json)
    }
  }

  private func encodeProtectedHolders(into json: inout JSONWriter) {
    let sorted = protectedHolders.sums.sorted {
      ($1.value.tally.kills, $0.key.comm.text) < ($0.value.tally.kills, $1.key.comm.text)
    }
    json.list("protected_holders", sorted) { holder, json in
      json.field("comm", hexKey: "comm_hex", holder.key.comm)
      json.field("host", hexKey: "host_hex", holder.key.host)
      holder.value.tally.encodeFields(into: &json)
      json.field("oom_score_adj", holder.value.oomScoreAdj)
      json.field("most_held_pages", holder.value.mostHeldPages)
    }
  }

  private func encodeContainers(into json: inout JSONWriter) {
    json.list("containers", containers.ranked { $0.name?.text ?? "" }) { row, json in
      guard case .container(let container) = row.name else { return }
      container.encodeFields(into: &json)
      row.tally.encodeFields(into: &json)
    }
  }

  private func encodePods(into json: inout JSONWriter) {
    json.list("pods", pods.ranked { $0.name?.text ?? "" }) { row, json in
      guard case .pod(let pod) = row.name else { return }
      json.field("name", row.name.name?.text)
      json.field("namespace", pod.namespace)
      json.field("pod", pod.pod)
      row.tally.encodeFields(into: &json)
    }
  }

  private func encodeConditions(into json: inout JSONWriter) {
    let sorted = conditions.sums.sorted {
      ($0.key.condition.rawValue, $0.key.host?.text ?? "") < ($1.key.condition.rawValue, $1.key.host?.text ?? "")
    }
    json.list("conditions", sorted) { condition, json in
      json.field("condition", condition.key.condition.rawValue)
      json.field("host", hexKey: "host_hex", condition.key.host)
      condition.value.tally.encodeFields(into: &json)
      json.field("order", condition.value.order)
      json.field("pages", condition.key.condition == .group ? nil : condition.value.pages)
      json.field("of_pages", condition.value.ofPages)
      json.field("processes", condition.key.condition == .group ? condition.value.pages : nil)
    }
  }

  private func encodeVictims(into json: inout JSONWriter) {
    json.list("repeated_victims", repeatedVictims) { victim, json in
      json.field("comm", hexKey: "comm_hex", victim.key.comm)
      json.field("host", hexKey: "host_hex", victim.key.host)
      victim.key.place.encode(into: &json)
      victim.history.encodeFields(into: &json)
    }
  }

  private func encodeLimits(into json: inout JSONWriter) {
    let sorted = limits.sums.sorted {
      ($1.value.tally.kills, $0.value.path?.text ?? "") < ($0.value.tally.kills, $1.value.path?.text ?? "")
    }
    json.list("limits", sorted) { limit, json in
      json.field("host", hexKey: "host_hex", limit.key.host)
      json.field("path", hexKey: "path_hex", limit.value.path)
      limit.key.place.encode(into: &json)
      limit.value.tally.encodeFields(into: &json)
      json.field("last_pages", limit.value.lastPages)
      json.field("least_pages", limit.value.leastPages)
      json.field("most_pages", limit.value.mostPages)
      json.field("group_decisions", limit.value.groupDecisions)
      json.field("group_kills", limit.value.groupKills)
    }
  }
}

extension Scope {
  fileprivate var fieldName: StaticString {
    switch self {
    case .system: "system"
    case .memcg: "memcg"
    case .cpuset: "cpuset"
    case .mempolicy: "mempolicy"
    }
  }
}

extension KillTally {
  func encodeFields(into json: inout JSONWriter) {
    json.field("kills", kills)
    json.field("decisions", decisions)
    json.field("first_time", wallNanoseconds: firstWallNanoseconds)
    json.field("last_time", wallNanoseconds: lastWallNanoseconds)
    json.field("first_decision", firstDecision)
    json.field("last_decision", lastDecision)
  }
}

extension KillPlace {
  func encode(into json: inout JSONWriter) {
    if case .unknown = self { return }
    json.objectField("place") {
      $0.field("kind", kindText)
      if case .container(let container) = self { $0.field("runtime", container.runtime) }
      $0.field("name", hexKey: "name_hex", name)
      $0.field("display_name", displayName)
    }
  }
}

extension VictimHistory {
  func encodeFields(into json: inout JSONWriter) {
    tally.encodeFields(into: &json)
    json.field("trend", trend.rawValue)
    json.field("oom_score_adj", oomScoreAdj)
    json.field("total_pages", domainPages)
    json.field("least_held_pages", leastPages)
    json.field("most_held_pages", mostPages)
    json.field("least_limit_pages", leastLimitPages)
    json.field("most_limit_pages", mostLimitPages)
    json.field("group_kills", groupKills)
    json.field("sizes", sizes)
    json.field("pairs", pairs.all)
    json.field("pairs_growing", pairs.growing)
    if let lastBystander {
      json.objectField("bystander") {
        $0.field("kills", bystanderKills)
        $0.field("last_reason", lastBystander.reason.rawValue)
        $0.field("other_comm", hexKey: "other_comm_hex", lastBystander.other)
        $0.field("other_held_pages", lastBystander.otherHeldPages)
        $0.field("other_oom_score_adj", lastBystander.otherAdj)
      }
    }
    json.field("samples") { json in
      json.array { json in
        for sample in samples {
          json.object {
            $0.field("time", wallNanoseconds: sample.wallNanoseconds)
            $0.field("decision", sample.decision)
            $0.field("held_pages", sample.heldPages)
            $0.field("limit_pages", sample.limitPages)
          }
        }
      }
    }
  }
}

extension KillMoments {
  func encodeFields(into json: inout JSONWriter) {
    if let day = lastDay {
      json.objectField("last_24_hours") {
        $0.field("end_time", wallNanoseconds: day.endWallNanoseconds)
        $0.field("kills", day.kills)
        $0.field("decisions", day.decisions)
        $0.field("at_least", day.isAtLeast)
      }
    }
    if let intervals {
      json.objectField("between_decisions") {
        $0.field("intervals", intervals.count)
        $0.field("shortest_ns", intervals.shortestNanoseconds)
        $0.field("median_ns", intervals.medianNanoseconds)
        $0.field("longest_ns", intervals.longestNanoseconds)
      }
    }
    json.list("bursts", bursts) { burst, json in
      json.field("first_time", wallNanoseconds: burst.firstWallNanoseconds)
      json.field("decisions", burst.decisions)
      json.field("duration_ns", burst.nanoseconds)
    }
    json.field("decision_times_dropped", dropped)
  }
}

extension Recommendation {
  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("kind", kind.rawValue)
      $0.field("comm", hexKey: "comm_hex", comm)
      place?.encode(into: &$0)
      $0.field("host", hexKey: "host_hex", host)
      $0.field("finding", finding)
      $0.objectField("evidence") {
        evidence.tally.encodeFields(into: &$0)
        $0.field("numbers") { json in
          json.array { json in
            for number in evidence.numbers {
              json.object {
                $0.field("name", number.name)
                $0.field("value", number.value)
              }
            }
          }
        }
      }
      $0.field("steps") { json in
        json.array { json in
          for step in steps {
            json.object {
              $0.field("advice", step.advice)
              $0.field("input", step.input)
            }
          }
        }
      }
    }
  }
}

extension NameTable where Name == KernelName, Sum == KillTally {
  fileprivate func encode(_ key: StaticString, into json: inout JSONWriter) {
    json.list(key, ranked) { row, json in
      json.field("name", hexKey: "name_hex", row.name)
      row.tally.encodeFields(into: &json)
    }
  }
}

extension NameTable where Name == Int64, Sum == KillTally {
  /// By time; the latest where not all are listed.
  fileprivate func encode(_ key: StaticString, secondsOfOne: Int64, into json: inout JSONWriter) {
    json.list(key, sums.sorted { $0.key > $1.key }) { row, json in
      json.field("start_time", wallNanoseconds: row.key * secondsOfOne * 1_000_000_000)
      json.field("kills", row.value.kills)
    }
  }
}

extension JSONWriter {
  /// `{"listed":1,"omitted":0,"list":[...]}`: the first rows, and how many were left out.
  fileprivate mutating func list<Row>(_ key: StaticString, _ rows: [Row], _ body: (Row, inout JSONWriter) -> Void) {
    let listed = rows.prefix(KillStatistics.namesListedMax)
    objectField(key) { json in
      json.field("listed", listed.count)
      json.field("omitted", rows.count - listed.count)
      json.field("list") { json in
        json.array { json in
          for row in listed { json.object { body(row, &$0) } }
        }
      }
    }
  }
}
