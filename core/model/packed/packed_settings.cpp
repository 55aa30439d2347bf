// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/packed_settings.h"

#include "core/base/ascii.h"

#include "core/checkpoint/hf_folder.h"
#include "core/model/packed/settings_reader.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

using Json = SettingsReader::Json;

constexpr long long kLargestGroup = 1LL << 40;
constexpr size_t kMostRules = 4096;

/// The settings object of a file, and its place for errors.
struct Found {
    Json object;
    std::string where;
};

Result<Json> parseFile(const std::filesystem::path& path) {
    QS_TRY(const std::string text, readJsonText(path));
    Json parsed = Json::parse(text, nullptr, false);
    if (parsed.is_discarded()) return Error::corrupt("not valid JSON", path.string());
    return parsed;
}

// Read from the file again: in `dynamic` and `config_groups` the order counts, which the parsed config lost.
Result<Found> findSettings(const Checkpoint& checkpoint) {
    std::error_code ec;
    const auto& root = checkpoint.root();
    const auto folder = std::filesystem::is_directory(root, ec) ? root : root.parent_path();
    if (checkpoint.hasConfig()) {
        for (const char* key : {"quantization_config", "compression_config"}) {
            const auto it = checkpoint.config().find(key);
            if (it == checkpoint.config().end() || it->is_null()) continue;
            const std::string where = std::string("config.json: ") + key;
            QS_TRY(Json config, parseFile(folder / "config.json"));
            if (!config.is_object() || !config.contains(key))
                return Error::io("the file changed since it was opened", where);
            return Found{std::move(config[key]), where};
        }
    }
    for (const char* name : {"quantize_config.json", "quant_config.json"})
        if (std::filesystem::exists(folder / name, ec)) {
            QS_TRY(Json object, parseFile(folder / name));
            return Found{std::move(object), name};
        }
    return Error::notFound("packed weights need quantization_config in config.json, or quantize_config.json",
                           checkpoint.displayName());
}

Result<GptqSettings::Grid> gptqGrid(const SettingsReader& r, const GptqSettings::Grid* base) {
    GptqSettings::Grid grid;
    if (base) {
        QS_TRY(const long long bits, r.integerOr("bits", 2, 8, base->bits));
        grid.bits = int(bits);
        QS_TRY(grid.groupSize, r.integerOr("group_size", -1, kLargestGroup, base->groupSize));
        grid.symmetric = base->symmetric;
    } else {
        QS_TRY(const long long bits, r.integer("bits", 2, 8));
        grid.bits = int(bits);
        QS_TRY(grid.groupSize, r.integer("group_size", -1, kLargestGroup));
    }
    if (r.has("sym")) {
        QS_TRY(grid.symmetric, r.booleanOr("sym", true));
    }
    return grid;
}

Result<void> gptqRules(const SettingsReader& r, GptqSettings& s) {
    QS_TRY(const Json* dynamic, r.objectOrNull("dynamic"));
    if (!dynamic) return {};
    if (dynamic->size() > kMostRules)
        return Error::corrupt(fmt::format("{} rules, the limit is {}", dynamic->size(), kMostRules),
                              r.whereIs("dynamic"));
    for (const auto& [key, value] : dynamic->items()) {
        const std::string where = r.whereIs("dynamic") + ": \"" + key + "\"";
        if (!value.is_object()) return Error::corrupt("must be an object", where);
        const bool skip = key.starts_with("-:");
        QS_TRY(StartPattern pattern,
               StartPattern::compile(skip || key.starts_with("+:") ? key.substr(2) : key, where));
        QS_TRY(const GptqSettings::Grid grid, gptqGrid(SettingsReader(value, where), &s.grid));
        s.rules.push_back({key, std::move(pattern), skip, grid});
    }
    return {};
}

Result<AwqSettings> readAwq(const SettingsReader& r) {
    AwqSettings s;
    QS_TRY(const std::string format, r.textOr("format", "gemm"));
    QS_TRY(const std::string version, r.textOr("version", format));
    if (lowerCase(version) != "gemm")
        return Error::unsupported(
            fmt::format("AWQ version \"{}\" orders its words differently: only \"gemm\" is read", version),
            r.where());
    // AutoAWQ's own quant_config.json says w_bit and q_group_size.
    const char* bitsKey = r.has("w_bit") ? "w_bit" : "bits";
    QS_TRY(const long long bits, r.integer(bitsKey, 1, 8));
    if (bits != 4)
        return Error::unsupported(fmt::format("{} {}: AWQ's gemm layout has 4 bits", bitsKey, bits),
                                  r.where());
    QS_TRY(s.groupSize, r.integer(r.has("q_group_size") ? "q_group_size" : "group_size", -1, kLargestGroup));
    QS_TRY(s.skip, r.texts("modules_to_not_convert"));
    return s;
}

Result<BnbSettings> readBnb(const SettingsReader& r) {
    BnbSettings s;
    QS_TRY(const bool eight, r.booleanOr("load_in_8bit", false));
    if (eight)
        return Error::unsupported("load_in_8bit keeps some columns in 16 bits at run time: only 4-bit NF4 of "
                                  "bitsandbytes is read",
                                  r.where());
    QS_TRY(s.quantType, r.textOr("bnb_4bit_quant_type", "fp4")); // the library's default
    if (s.quantType != "nf4")
        return Error::unsupported(
            fmt::format("bnb_4bit_quant_type \"{}\": only \"nf4\" is read", s.quantType), r.where());
    if (r.has("bnb_4bit_use_double_quant")) {
        QS_TRY(s.doubleQuant, r.booleanOr("bnb_4bit_use_double_quant", false));
    }
    QS_TRY(s.skip, r.texts("llm_int8_skip_modules"));
    return s;
}

Result<Fp8Settings> readFp8(const SettingsReader& r) {
    Fp8Settings s;
    QS_TRY(const std::string format, r.textOr("fmt", "e4m3"));
    if (format != "e4m3")
        return Error::unsupported(fmt::format("fmt \"{}\": only \"e4m3\" is read", format), r.where());
    if (r.has("weight_block_size")) {
        QS_TRY(const std::vector<size_t> sizes, r.sizes("weight_block_size", 2, size_t(1) << 24));
        s.block = {sizes[0], sizes[1]};
    }
    QS_TRY(const std::string inputs, r.textOr("activation_scheme", "dynamic"));
    if (inputs != "dynamic" && inputs != "static")
        return r.wrong("activation_scheme", "\"dynamic\" or \"static\"");
    s.staticInputs = inputs == "static";
    QS_TRY(s.skip, r.texts("modules_to_not_convert"));
    QS_TRY(const std::vector<std::string> older, r.texts("ignored_layers"));
    s.skip.insert(s.skip.end(), older.begin(), older.end());
    return s;
}

/// Files without quant_method are AutoGPTQ's, or AutoAWQ's by its own spelling.
std::string impliedMethod(const SettingsReader& r) {
    if (r.has("w_bit")) return "awq";
    return r.has("config_groups") ? "compressed-tensors" : "gptq";
}

} // namespace

Result<GptqSettings::Grid> GptqSettings::gridOf(const std::string& module, const std::string& where) const {
    for (const Rule& rule : rules) {
        QS_TRY(const bool matches, rule.pattern.matches(module));
        if (!matches) continue;
        if (rule.skip)
            return Error::corrupt(
                fmt::format("is packed, but {}.dynamic \"{}\" says that it is not quantized", where,
                            rule.text),
                module);
        return rule.grid;
    }
    return grid;
}

Result<GptqSettings> readGptqSettings(const SettingsReader& r) {
    GptqSettings s;
    // Old writers have neither key (v1), some only `format`.
    QS_TRY(const std::string shortName, r.textOr("format", "gptq"));
    QS_TRY(const std::string format, r.textOr("checkpoint_format", shortName));
    if (format == "gptq_p")
        return Error::unsupported(
            "checkpoint_format \"gptq_p\" spreads the bits of a code over planes, which "
            "only GPTQModel reads: save it again as \"gptq_v2\" with 2, 3, 4 or 8 bits",
            r.where());
    if (format != "gptq" && format != "gptq_v2")
        return Error::unsupported(
            fmt::format("checkpoint_format \"{}\": only \"gptq\" and \"gptq_v2\" are read", format),
            r.where());
    QS_TRY(const std::string pack, r.textOr("pack_dtype", "int32"));
    if (pack != "int32")
        return Error::unsupported(fmt::format("pack_dtype \"{}\": only \"int32\" is read", pack), r.where());
    s.zeroMinusOne = format == "gptq";
    QS_TRY(s.grid, gptqGrid(r, nullptr));
    QS_CHECK(gptqRules(r, s));
    return s;
}

Result<PackedSettings> readPackedSettings(const Checkpoint& checkpoint) {
    QS_TRY(const Found found, findSettings(checkpoint));
    if (!found.object.is_object()) return Error::corrupt("must be an object", found.where);
    const SettingsReader r(found.object, found.where);
    PackedSettings s;
    s.where = found.where;
    QS_TRY(s.methodName, r.textOr("quant_method", impliedMethod(r)));
    if (s.methodName == "gptq") {
        QS_TRY(s.method, readGptqSettings(r));
    } else if (s.methodName == "awq") {
        QS_TRY(s.method, readAwq(r));
    } else if (s.methodName == "compressed-tensors") {
        QS_TRY(s.method, readCtSettings(r));
    } else if (s.methodName == "bitsandbytes") {
        QS_TRY(s.method, readBnb(r));
    } else if (s.methodName == "fp8") {
        QS_TRY(s.method, readFp8(r));
    } else {
        return Error::unsupported(fmt::format("quant_method \"{}\": read are gptq, awq, compressed-tensors, "
                                              "bitsandbytes (NF4) and fp8",
                                              s.methodName),
                                  r.where());
    }
    return s;
}

} // namespace qs
