// SPDX-License-Identifier: Apache-2.0
// What is said to be carried over is what lies in the export afterwards.
#include "core/checkpoint/gguf_set.h"
#include "core/export/carried_over.h"
#include "tests/unit/exporter/export_fixture.h"

using namespace qs;
using namespace qs::test;
using Kind = CarriedItem::Kind;
namespace fs = std::filesystem;

class CarriedOver : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::shared_ptr<const Run> m_run;
    std::unique_ptr<Backend> m_backend;

    static const CarriedItem* find(const std::vector<CarriedItem>& items, Kind kind) {
        for (const CarriedItem& i : items)
            if (i.kind == kind) return &i;
        return nullptr;
    }
    std::vector<CarriedItem> itemsOf(const char* exporter) {
        auto items = carriedOver(*m_model, *m_run, **findExporter(exporter));
        if (!items) qFatal("%s", items.error().describe().c_str());
        return std::move(*items);
    }

private slots:
    void initTestCase() {
        m_backend = makeCpuBackend();
        const fs::path folder = scratchDir("carried-model");
        const fs::path sample = sourceDir() / "resources/sample/model";
        for (const auto& entry : fs::directory_iterator(sample))
            if (entry.is_regular_file()) fs::copy_file(entry.path(), folder / entry.path().filename());
        std::ofstream(folder / "chat_template.jinja") << "{{ messages }}";
        std::ofstream(folder / "generation_config.json") << "{\"temperature\": 0.7}";
        std::ofstream(folder / "NOTICE.txt") << "twelve bytes";
        const auto model = openModel(folder);
        QS_VERIFY_OK(model);
        m_model = *model;
        RunOptions options;
        options.directory = scratchDir("carried-run");
        const auto run = executePlan(
            *m_model, resolvePlan(Recipe::uniform(schemeOf("ggml", {{"type", "q8_0"}})), *m_model), nullptr,
            options, *m_backend, {});
        QS_VERIFY_OK(run);
        m_run = *run;
    }

    void folders() {
        const auto items = itemsOf("dequantized");
        const CarriedItem* tokenizer = find(items, Kind::Tokenizer);
        QVERIFY(tokenizer && tokenizer->carried);
        QCOMPARE(tokenizer->count, uint64_t(1024));
        const CarriedItem* others = find(items, Kind::OtherFiles);
        QVERIFY(others && others->carried && find(items, Kind::ChatTemplate) &&
                find(items, Kind::GenerationConfig) && find(items, Kind::Recipe));
        QVERIFY(!find(items, Kind::Calibration)); // the run had none
        QVERIFY(std::is_sorted(items.begin(), items.end(),
                               [](const auto& a, const auto& b) { return a.kind < b.kind; }));
        const std::pair<std::string, uint64_t> notice = {"NOTICE.txt", 12};
        QVERIFY(std::find(others->files.begin(), others->files.end(), notice) != others->files.end());
        const auto target = scratchDir("carried") / "made";
        const Params params = Params::defaults((*findExporter("dequantized"))->params);
        QS_VERIFY_OK(exportRun("dequantized", {m_model, m_run, target, params}, {}));
        for (const char* name : {"tokenizer.json", "chat_template.jinja", "generation_config.json",
                                 "NOTICE.txt", "quantoscope.json"})
            QVERIFY2(fs::exists(target / name), name);
        for (const auto& [name, bytes] : others->files)
            QCOMPARE(uint64_t(fs::file_size(target / name)), bytes);
    }

    void gguf() {
        const auto items = itemsOf("gguf");
        QVERIFY(find(items, Kind::Tokenizer)->carried && find(items, Kind::ChatTemplate)->carried);
        QVERIFY(!find(items, Kind::GenerationConfig)->carried && !find(items, Kind::OtherFiles)->carried);
        const auto target = scratchDir("carried") / "made";
        const Params params = Params::defaults((*findExporter("gguf"))->params);
        QS_VERIFY_OK(exportRun("gguf", {m_model, m_run, target, params}, {}));
        QVERIFY(!fs::exists(target / "NOTICE.txt") && !fs::exists(target / "generation_config.json"));
        // The file as a source: its vocabulary goes into GGUF alone.
        const auto written = openModel(target);
        QS_VERIFY_OK(written);
        const fs::path file = (*written)->checkpoint().root();
        std::error_code ec;
        fs::path one = file;
        if (fs::is_directory(file, ec))
            for (const auto& entry : fs::directory_iterator(file))
                if (entry.path().extension() == ".gguf") one = entry.path();
        const auto lone = openModel(one);
        QS_VERIFY_OK(lone);
        const auto again = carriedOver(**lone, *m_run, **findExporter("gguf")),
                   plain = carriedOver(**lone, *m_run, **findExporter("dequantized"));
        QS_VERIFY_OK(again);
        QS_VERIFY_OK(plain);
        QCOMPARE(find(*again, Kind::Tokenizer)->count, uint64_t(1024));
        QVERIFY(find(*again, Kind::Tokenizer)->carried && find(*again, Kind::ChatTemplate)->carried);
        QVERIFY(!find(*plain, Kind::Tokenizer)->carried && !find(*plain, Kind::ChatTemplate)->carried);
        QVERIFY(!find(*again, Kind::OtherFiles));
    }
};

QS_TEST(CarriedOver)
#include "tst_carried_over.moc"
