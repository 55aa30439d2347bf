// SPDX-License-Identifier: Apache-2.0
// The recipe of quantized models: what their tensors say against what their config says.
#include "core/base/file.h"
#include "core/export/clone_recipe.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

fs::path packedModel(const QString& name) {
    return sourceDir() / "tests/golden/packed/models" / name.toStdString();
}

/// The same weights, plain.
std::shared_ptr<const Model> plainTwin(const QString& name) {
    const fs::path from = packedModel(name), to = scratchDir("clone-twin");
    fs::copy_file(from / "plain.safetensors", to / "model.safetensors");
    json config = json::parse(std::ifstream(from / "config.json"));
    config.erase("quantization_config");
    std::ofstream(to / "config.json") << config;
    return openModel(to).value();
}

} // namespace

/// One group for a whole row and one scale per output are the same thing.
std::optional<Scheme> wholeRows(std::optional<Scheme> scheme, const QuantTarget& target) {
    if (!scheme || scheme->codec != "int" || scheme->codecParams.integer("group") != (long long)(target.cols))
        return scheme;
    json params = scheme->codecParams.toJson();
    params["group"] = -1;
    scheme->codecParams = Params::fromJson((*findCodec("int"))->params, params, "test").value();
    return scheme;
}

class CloneRecipe : public QObject {
    Q_OBJECT
private slots:
    /// Read from the tensors, and from the rules of the config: two ways to one recipe.
    void asTheConfigSays_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("format");
        for (const char* name : {"gptq_v1_act_order", "gptq_v2_3bit"})
            QTest::newRow(name) << name << "gptq_dynamic";
        for (const char* name :
             {"ct_int", "ct_float", "ct_fp4"}) // ct_pack: a group for the head, which is tied
            QTest::newRow(name) << name << "config_groups";
    }
    void asTheConfigSays() {
        QFETCH(QString, name);
        QFETCH(QString, format);
        const auto from = openModel(packedModel(name));
        QS_VERIFY_OK(from);
        const auto to = plainTwin(name);
        const Scheme base = Scheme::make("int", "rtn").value();
        const auto cloned = cloneRecipe(**from, *to, base);
        QS_VERIFY_OK(cloned);
        const auto text = readTextFile(packedModel(name) / "config.json");
        QS_VERIFY_OK(text);
        const auto read =
            readForeignRecipe(**findRecipeFormat(format.toStdString()), {*text, "config.json"}, *to, base);
        QS_VERIFY_OK(read);
        size_t quantized = 0;
        for (size_t t = 0; t < to->targets().size(); ++t) {
            auto wanted = wholeRows(read->schemes[t], to->targets()[t]);
            if (wanted) wanted->inputs.reset(); // the tensors of weights do not say
            if (!cloned->schemes[t]) continue;  // plain in this file although the config's class names it
            ++quantized;
            QVERIFY2(wanted == wholeRows(cloned->schemes[t], to->targets()[t]),
                     (to->targets()[t].module + ": " + cloned->schemes[t]->toJson().dump() +
                      ", config: " + (wanted ? wanted->toJson().dump() : "kept"))
                         .c_str());
        }
        QVERIFY(quantized > 0);
        size_t counted = 0;
        for (const RecipePattern& p : cloned->patterns)
            counted += p.matched;
        QCOMPARE(counted, quantized);
    }

    void fourBitLayouts() {
        const auto one = [](const char* name) {
            const auto from = openModel(packedModel(name));
            const auto r = cloneRecipe(**from, *plainTwin(name), Scheme::make("int", "rtn").value());
            for (size_t t = 0; t < r->schemes.size(); ++t) // a row of several groups
                if ((*from)->targets()[t].cols > 32 && r->schemes[t]) return *r->schemes[t];
            return Scheme();
        };
        const Scheme awq = one("awq"), nf4 = one("bnb_nf4"), twice = one("bnb_nf4_double"),
                     fp8 = one("fp8_block");
        QCOMPARE(awq.codecParams.integer("bits"), 4LL);
        QCOMPARE(awq.codecParams.integer("group"), 32LL);
        QCOMPARE(awq.codecParams.choice("grid"), std::string("asymmetric"));
        QCOMPARE(nf4.codec, std::string("nf"));
        QVERIFY(!nf4.codecParams.boolean("double_quant") && twice.codecParams.boolean("double_quant"));
        QCOMPARE(fp8.codecParams.integer("block_rows"), 20LL); // weight_block_size of its config
        QCOMPARE(fp8.codecParams.integer("group"), 16LL);
    }

    void refusals() {
        const auto plain = plainTwin("awq");
        const Scheme base = Scheme::make("int", "rtn").value();
        const auto nothing = cloneRecipe(*plain, *plain, base);
        QVERIFY(!nothing &&
                nothing.error().describe().find("none of the model's linears") != std::string::npos);
        const auto awq = openModel(packedModel("awq"));
        const auto sample = openModel(sampleModel());
        const auto other = cloneRecipe(**awq, **sample, base);
        QVERIFY(!other && other.error().describe().find("x 256 in") != std::string::npos);
    }
};

QS_TEST(CloneRecipe)
#include "tst_clone_recipe.moc"
