// SPDX-License-Identifier: Apache-2.0
// The catalogue against the registries, and what can be exported against what the formats are known to hold.
#include "core/allocate/allocator.h"
#include "core/allocate/score.h"
#include "core/export/exporter.h"
#include "core/quant/transform/transform.h"
#include "core/report/catalogue.h"
#include "tests/support/qs_test.h"

#include <map>
#include <set>

using namespace qs;

class Catalogue : public QObject {
    Q_OBJECT
    static const CatalogueEntry* find(CatalogueKind kind, const std::string& id) {
        return findCatalogueEntry(kind, id);
    }
    template<class Entries>
    static void verifyAll(CatalogueKind kind, const Entries& entries) {
        size_t count = 0;
        for (const auto* d : entries) {
            const CatalogueEntry* e = find(kind, d->id);
            QVERIFY2(e, d->id.c_str());
            QCOMPARE(e->label, d->label);
            QCOMPARE(e->summary, d->summary);
            QCOMPARE(e->citation, d->citation);
            QVERIFY2(!e->family.empty() && !e->needs.empty() && !e->citation.empty(), d->id.c_str());
            ++count;
        }
        QCOMPARE(size_t(std::count_if(catalogue().begin(), catalogue().end(),
                                      [&](const CatalogueEntry& e) { return e.kind == kind; })),
                 count);
    }
private slots:
    void everyEntryOfTheRegistries() {
        verifyAll(CatalogueKind::Method, methods());
        verifyAll(CatalogueKind::Codec, codecs());
        verifyAll(CatalogueKind::Transform, transforms());
        verifyAll(CatalogueKind::Score, scores());
        verifyAll(CatalogueKind::Allocator, allocators());
    }

    void familiesStandTogether() {
        std::set<std::pair<int, std::string>> seen;
        std::pair<int, std::string> last{-1, ""};
        for (const CatalogueEntry& e : catalogue()) {
            const std::pair<int, std::string> now{int(e.kind), e.family};
            if (now != last) QVERIFY2(seen.insert(now).second, e.id.c_str());
            last = now;
        }
    }

    void whatIsNeeded() {
        QVERIFY(!find(CatalogueKind::Method, "none") && !find(CatalogueKind::Codec, "gptq"));
        QCOMPARE(find(CatalogueKind::Method, "rtn")->needs, std::string("no data"));
        QCOMPARE(find(CatalogueKind::Method, "gptq")->needs, std::string("calibration (second moments)"));
        QCOMPARE(find(CatalogueKind::Method, "gptq")->family, std::string("Error compensation"));
        QCOMPARE(find(CatalogueKind::Transform, "smoothquant")->needs,
                 std::string("calibration (channel statistics)"));
        QCOMPARE(find(CatalogueKind::Allocator, "bisection")->needs,
                 std::string("a score, and runs of the model"));
        // SYSTEMS row 14 names the allocator and the score.
        const auto& systems = find(CatalogueKind::Allocator, "bisection")->systems;
        QVERIFY(std::any_of(systems.begin(), systems.end(),
                            [](const PublishedSystem* s) { return s->row == 14; }));
    }

    void whatCanBeExported() {
        const auto found = catalogueExports({});
        QS_VERIFY_OK(found);
        QCOMPARE(found->exporters.size(), catalogue().size());
        std::map<std::string, std::set<std::string>> of;
        for (size_t i = 0; i < catalogue().size(); ++i) {
            const auto& list = found->exporters[i];
            of[std::string(catalogueKindName(catalogue()[i].kind)) + ":" + catalogue()[i].id] = {list.begin(),
                                                                                                 list.end()};
        }
        // Each layout holds the format it is named after, and none of the others'.
        const auto takes = [&](const char* entry, const char* exporter) { return of[entry].count(exporter); };
        for (const char* exporter : {"gptq", "awq", "compressed_tensors", "gguf"})
            QVERIFY2(takes("codec:int", exporter), exporter);
        QVERIFY(takes("codec:nf", "bnb_nf4") && !takes("codec:nf", "gptq") && !takes("codec:int", "bnb_nf4"));
        QVERIFY(takes("codec:float", "fp8") && !takes("codec:int", "fp8"));
        QVERIFY(takes("codec:ggml", "gguf") && !takes("codec:ggml", "awq"));
        QVERIFY(takes("codec:nvfp4", "compressed_tensors"));
        QVERIFY(!takes("codec:vector", "gptq") && takes("codec:vector", "dequantized"));
        // Codes alone: methods that keep more have no place in them.
        QVERIFY(takes("method:gptq", "gptq") && takes("method:gptq", "awq"));
        for (const char* method : {"method:spqr", "method:loftq", "method:quip"}) {
            QVERIFY2(!takes(method, "gptq") && !takes(method, "gguf"), method);
            QVERIFY2(takes(method, "dequantized"), method);
        }
        QVERIFY(takes("transform:smoothquant", "gptq") && takes("transform:awq", "awq"));
        QVERIFY(of["score:linearity"].empty() && of["allocator:exact"].empty());
        std::stop_source stop;
        stop.request_stop();
        QVERIFY(catalogueExports(JobContext(stop.get_token())).isCancelled());
    }
};

QS_TEST(Catalogue)
#include "tst_catalogue.moc"
