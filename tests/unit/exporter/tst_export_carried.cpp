// SPDX-License-Identifier: Apache-2.0
// What is carried beside the weights: chat templates, special tokens, generation settings, files of no known
// kind. From the sample model with templates of its own.
#include "core/base/named_files.h"
#include "core/checkpoint/gguf_set.h"
#include "core/export/exporter.h"
#include "core/run/planned_manifest.h"
#include "tests/unit/exporter/export_fixture.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kChat =
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token }}\n"
    "{% endfor %}{# äöü #}";
constexpr const char* kTools = "{{ tools | tojson }}";

std::shared_ptr<const Model> modelWith(const char* name, const json& config, const std::string& jinja = {}) {
    const fs::path folder = scratchDir(name);
    for (const auto& entry : fs::directory_iterator(sampleModel()))
        fs::copy_file(entry.path(), folder / entry.path().filename());
    json own = json::parse(readAll(folder / "tokenizer_config.json"));
    own["pad_token"] = {{"content", "<|eos|>"}, {"lstrip", false}};
    own["mask_token"] = "<|not in the vocabulary|>";
    own.update(config);
    std::ofstream(folder / "tokenizer_config.json") << own.dump(3);
    if (!jinja.empty()) std::ofstream(folder / "chat_template.jinja") << jinja;
    std::ofstream(folder / "special_tokens_map.json")
        << R"({"bos_token": "<|bos|>", "eos_token": "<|eos|>"})";
    std::ofstream(folder / "README.md") << "# of the model\n";
    auto model = openModel(folder);
    if (!model) qFatal("%s", model.error().describe().c_str());
    return *model;
}

/// The folder of an export of the model in 4 bits.
Result<fs::path> exported(const std::shared_ptr<const Model>& model, const char* exporter,
                          const json& codec) {
    const auto backend = makeCpuBackend();
    const Scheme scheme = codec.contains("format") ? schemeOf("float", codec) : intScheme(codec);
    const Plan plan = resolvePlan(Recipe::uniform(scheme), *model);
    RunOptions options;
    options.directory = scratchDir("carried-run");
    QS_TRY(const auto run, executePlan(*model, plan, nullptr, options, *backend, {}));
    const fs::path target = scratchDir("carried") / "made";
    QS_TRY(
        const Receipt receipt,
        exportRun(exporter, {model, run, target, Params::defaults((*findExporter(exporter))->params)}, {}));
    if (!receipt.verified) return Error::corrupt(receipt.summary());
    QS_TRY(const RunManifest manifest,
           plannedManifest(*model, plan, nullptr, nullptr, backend->description()));
    QS_TRY(const uint64_t planned, plannedBytes(**findExporter(exporter), *model, plan, manifest));
    if (planned != receipt.bytesWritten)
        return Error::corrupt(fmt::format("planned {} bytes, written {}", planned, receipt.bytesWritten));
    return target;
}

const json kSymmetric = {{"bits", 4}, {"group", 32}, {"grid", "symmetric"}};
const json kAsymmetric = {{"bits", 4}, {"group", 32}};
const json kBlocks = {{"format", "e4m3"}, {"group", 128}, {"block_rows", 128}};

} // namespace

class ExportCarried : public QObject {
    Q_OBJECT
private slots:
    void foldersAreCarriedByteForByte_data() {
        QTest::addColumn<QString>("exporter");
        QTest::addColumn<QString>("codec");
        for (const auto& [exporter, codec] :
             {std::pair("dequantized", &kAsymmetric), std::pair("gptq", &kSymmetric),
              std::pair("awq", &kAsymmetric), std::pair("fp8", &kBlocks),
              std::pair("compressed_tensors", &kSymmetric)})
            QTest::newRow(exporter) << exporter << QString::fromStdString(codec->dump());
    }
    void foldersAreCarriedByteForByte() {
        QFETCH(QString, exporter);
        QFETCH(QString, codec);
        const auto model = modelWith("carried-model", {{"chat_template", kChat}}, kChat);
        const auto target = exported(model, exporter.toUtf8(), json::parse(codec.toStdString()));
        QS_VERIFY_OK(target);
        const fs::path source = model->checkpoint().root();
        for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                 "special_tokens_map.json", "generation_config.json", "README.md"})
            QVERIFY2(readAll(*target / name) == readAll(source / name) && !readAll(source / name).empty(),
                     name);
        // Ids of special tokens stand in config.json, to which only quantization_config is added.
        json config = json::parse(readAll(*target / "config.json"));
        config.erase("quantization_config");
        QVERIFY(config == json::parse(readAll(source / "config.json")));
        const auto written = openModel(*target);
        QS_VERIFY_OK(written);
        QCOMPARE((*written)->tokenizer()->bosId(), 0);
        QCOMPARE((*written)->tokenizer()->eosId(), 1);
        QCOMPARE((*written)->tokenizer()->fingerprint(), model->tokenizer()->fingerprint());
    }

    void ggufCarriesThemAsKeys_data() {
        QTest::addColumn<QString>("config");
        QTest::addColumn<QString>("jinja");
        QTest::addColumn<QString>("chat");
        QTest::addColumn<bool>("tools");
        const json list = {{{"name", "tool_use"}, {"template", kTools}},
                           {{"name", "default"}, {"template", kChat}}};
        const auto text = [](const json& j) { return QString::fromStdString(j.dump()); };
        QTest::newRow("a text") << text({{"chat_template", kChat}}) << QString() << QString(kChat) << false;
        QTest::newRow("a list") << text({{"chat_template", list}}) << QString() << QString(kChat) << true;
        QTest::newRow("a file, which wins")
            << text({{"chat_template", "old"}}) << QString(kChat) << QString(kChat) << false;
        QTest::newRow("none") << text(json::object()) << QString() << QString() << false;
    }
    void ggufCarriesThemAsKeys() {
        QFETCH(QString, config);
        QFETCH(QString, jinja);
        QFETCH(QString, chat);
        QFETCH(bool, tools);
        const auto model = modelWith("carried-gguf", json::parse(config.toStdString()), jinja.toStdString());
        const auto target = exported(model, "gguf", kSymmetric);
        QS_VERIFY_OK(target);
        fs::path file;
        for (const auto& entry : fs::directory_iterator(*target))
            if (entry.path().extension() == ".gguf") file = entry.path();
        const auto set = GgufSet::open(file);
        QS_VERIFY_OK(set);
        const GgufMetadata& m = (*set)->metadata();
        QCOMPARE(m.has("tokenizer.chat_template"), !chat.isEmpty());
        if (!chat.isEmpty()) QCOMPARE(std::string(*m.text("tokenizer.chat_template")), chat.toStdString());
        QCOMPARE(m.has("tokenizer.chat_templates"), tools);
        if (tools) QCOMPARE(std::string(*m.text("tokenizer.chat_template.tool_use")), std::string(kTools));
        QCOMPARE(*m.size("tokenizer.ggml.bos_token_id", 9999), uint64_t(0));
        QCOMPARE(*m.size("tokenizer.ggml.eos_token_id", 9999), uint64_t(1));
        QCOMPARE(*m.size("tokenizer.ggml.padding_token_id", 9999), uint64_t(1));
        QVERIFY(!m.has("tokenizer.ggml.mask_token_id"));
        QCOMPARE(*m.booleanOr("tokenizer.ggml.add_bos_token", false), true);
        QCOMPARE(*m.booleanOr("tokenizer.ggml.add_eos_token", true), false);
        const auto written = openModel(file);
        QS_VERIFY_OK(written);
        QCOMPARE((*written)->tokenizer()->bosId(), 0);
        QCOMPARE((*written)->tokenizer()->eosId(), 1);
        const std::string said = "Once <|eos|> upon <|bos|>";
        QVERIFY(*(*written)->tokenizer()->encode(said) == *model->tokenizer()->encode(said));
    }

    void hdf5CarriesTheFiles() {
        const auto model = modelWith("carried-hdf5", {{"chat_template", kChat}}, kTools);
        const auto target = exported(model, "hdf5", kAsymmetric);
        QS_VERIFY_OK(target);
        const auto written = openModel(*target / "model.h5");
        QS_VERIFY_OK(written);
        const NamedFiles* files = (*written)->checkpoint().carriedFiles();
        QVERIFY(files);
        for (const char* name :
             {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
              "generation_config.json", "README.md", "config.json"}) {
            const auto text = files->read(name, size_t(1) << 20);
            QS_VERIFY_OK(text);
            QVERIFY2(*text == readAll(model->checkpoint().root() / name), name);
        }
        QCOMPARE((*written)->tokenizer()->fingerprint(), model->tokenizer()->fingerprint());
    }
};

QS_TEST(ExportCarried)
#include "tst_export_carried.moc"
