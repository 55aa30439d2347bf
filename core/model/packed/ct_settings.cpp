// SPDX-License-Identifier: Apache-2.0
// The config of compressed-tensors: named groups of targets, each with a scheme for its weights.
#include "core/model/packed/packed_settings.h"
#include "core/model/packed/settings_reader.h"

#include <charconv>
#include <fmt/format.h>

namespace qs {

namespace {

using Json = SettingsReader::Json;

constexpr const char* kStrategies[] = {"tensor", "channel", "group", "block", "tensor_group"};

/// Without a strategy the group size decides, as in compressed-tensors.
std::string impliedStrategy(bool hasGroup, long long groupSize) {
    if (!hasGroup) return "tensor";
    return groupSize == -1 ? "channel" : "group";
}

Result<CtSettings::Weights> readWeights(const SettingsReader& r) {
    CtSettings::Weights w;
    QS_TRY(const long long bits, r.integerOr("num_bits", 1, 8, 8));
    w.bits = int(bits);
    QS_TRY(const std::string type, r.textOr("type", "int"));
    if (type != "int" && type != "float") return r.wrong("type", "\"int\" or \"float\"");
    w.floating = type == "float";
    QS_TRY(w.symmetric, r.booleanOr("symmetric", true));
    QS_TRY(w.groupSize, r.integerOr("group_size", -1, 1LL << 40, 0));
    QS_TRY(w.strategy, r.textOr("strategy", impliedStrategy(r.has("group_size"), w.groupSize)));
    bool known = false;
    for (const char* s : kStrategies)
        known = known || w.strategy == s;
    if (!known)
        return Error::unsupported(
            fmt::format("strategy \"{}\" of weights: read are {}", w.strategy, fmt::join(kStrategies, ", ")),
            r.where());
    if ((w.strategy == "group" || w.strategy == "tensor_group") && w.groupSize < 1)
        return r.wrong("group_size", fmt::format("at least 1 for the strategy \"{}\"", w.strategy));
    if (w.strategy == "block") {
        QS_TRY(const std::vector<size_t> sizes, r.sizes("block_structure", 2, size_t(1) << 24));
        w.block = {sizes[0], sizes[1]};
    }
    return w;
}

/// true, false, or "local".
Result<CtSettings::Inputs::Scales> readDynamic(const Json& arguments, const SettingsReader& r) {
    using Scales = CtSettings::Inputs::Scales;
    const auto it = arguments.find("dynamic");
    if (it == arguments.end() || it->is_null()) return Scales::Static;
    if (it->is_boolean()) return it->get<bool>() ? Scales::Dynamic : Scales::Static;
    if (*it == "local") return Scales::Local;
    return r.wrong("dynamic", "true, false or \"local\"");
}

Result<CtSettings::Inputs> readInputs(const Json& arguments, const SettingsReader& r) {
    CtSettings::Inputs in;
    QS_TRY(const long long bits, r.integerOr("num_bits", 1, 16, 8));
    in.bits = int(bits);
    QS_TRY(const std::string type, r.textOr("type", "int"));
    if (type != "int" && type != "float") return r.wrong("type", "\"int\" or \"float\"");
    in.floating = type == "float";
    QS_TRY(in.symmetric, r.booleanOr("symmetric", true));
    QS_TRY(in.groupSize, r.integerOr("group_size", -1, 1LL << 40, 0));
    QS_TRY(in.strategy, r.textOr("strategy", impliedStrategy(r.has("group_size"), in.groupSize)));
    QS_TRY(in.scales, readDynamic(arguments, r));
    return in;
}

/// "0.9.1" < 0.17; unreadable or absent: no.
bool isBefore017(const std::string& version) {
    int parts[2] = {};
    const char* p = version.data();
    const char* const end = p + version.size();
    for (int& part : parts) {
        const auto [next, error] = std::from_chars(p, end, part);
        if (error != std::errc()) return false;
        p = next < end ? next + 1 : next;
    }
    return parts[0] == 0 && parts[1] < 17;
}

/// Rotations that the runtime applies to activations: without them the weights are another model's.
Result<void> refuseTransforms(const SettingsReader& r) {
    QS_TRY(const Json* transform, r.objectOrNull("transform_config"));
    if (!transform || transform->empty()) return {};
    const auto groups = transform->find("config_groups");
    if (groups != transform->end() && groups->empty()) return {};
    return Error::unsupported("transform_config rotates activations at run time, which is not read",
                              r.where());
}

Result<CtSettings::Group> readGroup(const std::string& name, const Json& weights, const SettingsReader& r,
                                    const std::string& topFormat) {
    QS_TRY(const auto entries, r.texts("targets"));
    QS_TRY(NameTargets targets, NameTargets::parse(entries, r.whereIs("targets")));
    QS_TRY(const CtSettings::Weights w, readWeights(SettingsReader(weights, r.whereIs("weights"))));
    QS_TRY(std::string format, r.textOr("format", topFormat));
    std::optional<CtSettings::Inputs> inputs;
    QS_TRY(const Json* arguments, r.objectOrNull("input_activations"));
    if (arguments) {
        QS_TRY(inputs, readInputs(*arguments, SettingsReader(*arguments, r.whereIs("input_activations"))));
    }
    return CtSettings::Group{name,   std::move(targets),         w, std::move(format),
                             inputs, r.has("output_activations")};
}

} // namespace

Result<CtSettings> readCtSettings(const SettingsReader& r) {
    CtSettings s;
    QS_CHECK(refuseTransforms(r));
    QS_TRY(const std::string format, r.textOr("format", ""));
    QS_TRY(const std::string version, r.textOr("version", ""));
    s.beforeDense = isBefore017(version);
    QS_TRY(const auto ignored, r.texts("ignore"));
    QS_TRY(s.ignore, NameTargets::parse(ignored, r.whereIs("ignore")));
    QS_TRY(const Json* groups, r.objectOrNull("config_groups"));
    if (!groups) return r.wrong("config_groups", "an object");
    for (const auto& [name, value] : groups->items()) {
        const std::string where = r.whereIs("config_groups") + "." + name;
        if (!value.is_object()) return Error::corrupt("must be an object", where);
        const SettingsReader group(value, where);
        QS_TRY(const Json* weights, group.objectOrNull("weights"));
        if (!weights) continue; // quantizes activations only
        QS_TRY(CtSettings::Group made, readGroup(name, *weights, group, format));
        s.groups.push_back(std::move(made));
    }
    return s;
}

Result<const CtSettings::Group*> CtSettings::groupOf(const std::string& module,
                                                     const std::string& where) const {
    QS_TRY(const NameTargets::Match ignored, ignore.match(module));
    if (ignored != NameTargets::Match::None)
        return Error::corrupt(fmt::format("is packed, but {}.ignore names it", where), module);
    const Group* best = nullptr;
    NameTargets::Match closest = NameTargets::Match::None;
    for (const Group& g : groups) {
        QS_TRY(const NameTargets::Match match, g.targets.match(module));
        if (match <= closest) continue;
        closest = match;
        best = &g;
    }
    if (best) return best;
    return Error::corrupt(fmt::format("is packed, but no targets of {}.config_groups name it", where),
                          module);
}

} // namespace qs
