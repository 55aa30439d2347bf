// SPDX-License-Identifier: Apache-2.0
// What the configs of packed layouts have in common: settings of linears, and names as runtimes match them.
#include "core/export/packed_format.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

/// Whether every zero point is the middle of the range.
Result<bool> zerosAreMiddle(const PlanEntry& entry, const QuantizedTensor& q, int bits) {
    const float middle = float(1 << (bits - 1)), largest = float((1 << bits) - 1);
    bool all = true;
    for (float z : q.zero.span()) {
        if (!(z >= 0 && z <= largest) || z != float(int(z)))
            return Error::unsupported(fmt::format("zero point {} is not an integer in 0..{}", z, largest),
                                      entry.target.module);
        all = all && z == middle;
    }
    return all;
}

float asStored(float v, DType type) {
    if (type == DType::F16) return halfToFloat(floatToHalf(v));
    return type == DType::BF16 ? bfloatToFloat(floatToBfloat(v)) : v;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') out += '\\';
        out += c;
    }
    return out;
}

std::pair<std::string, std::string> parentAndLeaf(const std::string& prefix) {
    const size_t dot = prefix.rfind('.');
    if (dot == std::string::npos) return {"", prefix};
    return {prefix.substr(0, dot + 1), prefix.substr(dot + 1)};
}

const char* fusedLeaf(const std::string& role) {
    if (role == "q" || role == "k" || role == "v") return "qkv_proj";
    if (role == "gate" || role == "up") return "gate_up_proj";
    return nullptr;
}

} // namespace

StoredCodes::StoredCodes(const SmallFloat& format) : StoredCodes() {
    for (size_t c = 0; c < levelsOf(format).count(); ++c)
        code[c] = patternOf(format, c);
}

bool columnsInOrder(const QuantizedTensor& q) {
    for (size_t c = 0; c < q.groupOfColumn.size(); ++c)
        if (size_t(q.groupOfColumn[c]) != c / q.layout.groupSize) return false;
    return true;
}

Result<std::vector<std::byte>> scaleBytes(const Matrix& scale, DType type) {
    std::vector<std::byte> out(scale.size() * size_t(dtypeInfo(type).bits) / 8);
    QS_CHECK(fromFloat(scale.span(), type, out));
    return out;
}

std::string linearPrefix(const QuantTarget& target) {
    constexpr std::string_view suffix = ".weight";
    const std::string& tensor = target.place.tensor;
    return tensor.ends_with(suffix) ? tensor.substr(0, tensor.size() - suffix.size()) : tensor;
}

Result<IntSetting> intSettingOf(const PlanEntry& entry, const QuantizedTensor& q, DType scaleType) {
    QS_TRY(const auto codec, codecOf(q));
    IntSetting s;
    s.bits = codec->bits();
    // One group however long the row is? Then it is "-1", whatever this row's length.
    QS_TRY(const GroupLayout longer, codec->layout(q.rows, q.cols * 2));
    s.groupSize = longer.groups == 1 ? -1 : (long long)q.layout.groupSize;
    for (float v : q.scale.span())
        if (asStored(v, scaleType) != v)
            return Error::unsupported(fmt::format("scale {} is not {} value", v,
                                                  scaleType == DType::F16    ? "an F16"
                                                  : scaleType == DType::BF16 ? "a BF16"
                                                                             : "an F32"),
                                      entry.target.module);
    QS_TRY(const bool middle, zerosAreMiddle(entry, q, s.bits));
    if (codec->symmetric() && !middle)
        return Error::unsupported(
            fmt::format("a symmetric grid with a zero point other than {}", 1 << (s.bits - 1)),
            entry.target.module);
    s.symmetric = codec->symmetric();
    s.actOrder = !columnsInOrder(q);
    return s;
}

IntSetting commonSetting(const std::vector<std::optional<IntSetting>>& settings) {
    std::vector<std::pair<IntSetting, size_t>> counts;
    for (const auto& s : settings) {
        if (!s) continue;
        const auto it =
            std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == *s; });
        if (it == counts.end())
            counts.emplace_back(*s, 1);
        else
            ++it->second;
    }
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == counts.end() ? IntSetting() : most->first;
}

std::string modulePattern(const std::vector<const QuantTarget*>& targets) {
    const std::string parent = parentAndLeaf(linearPrefix(*targets.front())).first;
    std::vector<std::string> leaves;
    for (const QuantTarget* t : targets)
        leaves.push_back(escaped(parentAndLeaf(linearPrefix(*t)).second));
    if (targets.size() > 1 && fusedLeaf(targets.front()->role))
        leaves.push_back(fusedLeaf(targets.front()->role));
    const std::string leaf =
        leaves.size() == 1 ? leaves.front() : fmt::format("(?:{})", fmt::join(leaves, "|"));
    return "^" + escaped(parent) + leaf + "$";
}

std::vector<std::string> keptModules(const Model& model, const Plan& plan) {
    constexpr std::string_view suffix = ".weight";
    std::set<std::string> quantized;
    for (const PlanEntry& e : plan.entries)
        if (e.scheme) quantized.insert(e.target.place.tensor);
    const std::string embedding = model.hasForward() ? model.spec().embedding.tokens : "";
    std::vector<std::string> out;
    bool head = false;
    for (const TensorInfo& t : model.checkpoint().tensors()) {
        if (t.shape.size() < 2 || !t.name.ends_with(suffix) || t.name == embedding || quantized.count(t.name))
            continue;
        out.push_back(t.name.substr(0, t.name.size() - suffix.size()));
        head = head || (model.hasForward() && t.name == model.spec().head.weight);
    }
    if (!head) out.push_back("lm_head");
    return out;
}

std::vector<std::vector<size_t>> fusedSets(const Plan& plan) {
    std::vector<std::vector<size_t>> sets;
    std::map<std::string, size_t> setOfGroup;
    for (size_t i = 0; i < plan.entries.size(); ++i) {
        const QuantTarget& target = plan.entries[i].target;
        const std::string key = target.fusedGroup.empty()
                                    ? ""
                                    : target.fusedGroup + " " + parentAndLeaf(linearPrefix(target)).first;
        const auto it = setOfGroup.find(key);
        if (!key.empty() && it != setOfGroup.end()) {
            sets[it->second].push_back(i);
            continue;
        }
        if (!key.empty()) setOfGroup[key] = sets.size();
        sets.push_back({i});
    }
    return sets;
}

} // namespace qs
