// SPDX-License-Identifier: Apache-2.0
// resources/manual/configs.md lists the fields of every quantization_config: it is what exporters write.
#include "tests/unit/exporter/packed_export.h"

#include <set>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
using nlohmann::ordered_json;

namespace qs {
std::unique_ptr<PackedFormat> makeGptqFormat(const ExportSource& source);
std::unique_ptr<PackedFormat> makeAwqFormat(const ExportSource& source);
std::unique_ptr<PackedFormat> makeCtFormat(const ExportSource& source);
std::unique_ptr<PackedFormat> makeFp8Format(const ExportSource& source);
std::unique_ptr<PackedFormat> makeBnbFormat(const ExportSource& source);
} // namespace qs

class ConfigFields : public QObject {
    Q_OBJECT
    std::map<std::string, std::set<std::string>> m_manual; ///< fields by heading

    static std::set<std::string> keys(const ordered_json& object) {
        std::set<std::string> out;
        for (const auto& [key, value] : object.items())
            out.insert(key);
        return out;
    }
    static ordered_json configOf(const SchemeOf& schemes, MakePackedFormat make, bool actOrder = false) {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, schemes, actOrder);
        const auto w = exportPacked(s, make, "config-fields");
        if (!w) qFatal("%s", w.error().describe().c_str());
        return w->settings;
    }
    /// "" when they are the same, else what only one of them has.
    static std::string difference(const std::set<std::string>& a, const std::set<std::string>& b) {
        std::vector<std::string> out;
        std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
        std::string text;
        for (const std::string& field : out)
            text += field + " ";
        return text;
    }

private slots:
    void initTestCase() {
        std::istringstream in(readAll(sourceDir() / "resources/manual/configs.md"));
        std::string heading;
        for (std::string line; std::getline(in, line);) {
            if (line.starts_with("##")) heading = line.substr(line.find(' ') + 1);
            if (line.starts_with("| `")) m_manual[heading].insert(line.substr(3, line.find('`', 3) - 3));
        }
        QCOMPARE(m_manual.size(), size_t(7));
    }

    void gptq() {
        // Two widths, so that there are rules for some.
        const auto mixed = configOf(
            [](const QuantTarget& t) {
                return intScheme({{"bits", t.role == "down" ? 8 : 4}, {"group", 32}, {"grid", "symmetric"}});
            },
            makeGptqFormat);
        QCOMPARE(difference(keys(mixed), m_manual.at("gptq")), std::string());
        auto plain = m_manual.at("gptq");
        plain.erase("dynamic");
        const auto one =
            configOf(everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}), makeGptqFormat);
        QCOMPARE(difference(keys(one), plain), std::string());
    }
    void awq() {
        QCOMPARE(difference(keys(configOf(everywhere({{"bits", 4}, {"group", 32}}), makeAwqFormat)),
                            m_manual.at("awq")),
                 std::string());
    }
    void fp8() {
        const auto blocks = configOf(everywhere("float", {{"group", 32}, {"block_rows", 32}}), makeFp8Format);
        QCOMPARE(difference(keys(blocks), m_manual.at("fp8")), std::string());
        auto plain = m_manual.at("fp8");
        plain.erase("weight_block_size");
        QCOMPARE(difference(keys(configOf(everywhere("float", {{"group", 0}}), makeFp8Format)), plain),
                 std::string());
    }
    void bitsandbytes() {
        QCOMPARE(difference(keys(configOf(everywhere("nf", {{"group", 32}}), makeBnbFormat)),
                            m_manual.at("bitsandbytes")),
                 std::string());
    }

    void compressedTensors() {
        // One of each: weights alone, in blocks, with rounded inputs.
        const auto config = configOf(
            [](const QuantTarget& t) {
                if (t.role == "down") return schemeOf("float", {{"group", 32}, {"block_rows", 32}});
                if (t.role != "o") return intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
                Scheme s = intScheme({{"bits", 8}, {"group", -1}, {"grid", "absmax"}});
                s.inputs = *InputScheme::preset("int8");
                return s;
            },
            makeCtFormat);
        QCOMPARE(difference(keys(config), m_manual.at("compressed-tensors")), std::string());
        QCOMPARE(config.at("config_groups").size(), size_t(3));
        size_t inputs = 0;
        for (const auto& [name, group] : config.at("config_groups").items()) {
            QCOMPARE(difference(keys(group), m_manual.at("compressed-tensors, a group")), std::string());
            const auto& arguments = m_manual.at("compressed-tensors, arguments");
            QCOMPARE(difference(keys(group.at("weights")), arguments), std::string());
            if (group.at("input_activations").is_null()) continue;
            QCOMPARE(difference(keys(group.at("input_activations")), arguments), std::string());
            ++inputs;
        }
        QCOMPARE(inputs, size_t(1));
    }
};

QS_TEST(ConfigFields)
#include "tst_config_fields.moc"
