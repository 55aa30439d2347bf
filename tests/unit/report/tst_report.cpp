// SPDX-License-Identifier: Apache-2.0
// The report is one well-formed page that needs nothing else, says the numbers, and lets no name break out.
#include "core/report/html.h"
#include "core/report/maps.h"
#include "core/report/report.h"
#include "tests/support/qs_test.h"

#include <QXmlStreamReader>
#include <cmath>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

const std::string kHostile = "</title><script>alert('x')</script>&\"<img src=x onerror=y>\x01";

/// Elements and attributes of a page that is well-formed XML; fails the reader's way otherwise.
struct Parsed {
    QStringList elements, sources, events;
    QString text, error;
    QStringList pre;
    explicit Parsed(const std::string& html) {
        QXmlStreamReader xml(QByteArray::fromStdString(html));
        while (!xml.atEnd()) {
            xml.readNext();
            if (xml.isCharacters()) {
                text += xml.text();
                // What follows the element's end is a line break.
                if (!elements.isEmpty() && elements.back() == u"pre" && !xml.isWhitespace())
                    pre << xml.text().toString();
            }
            if (!xml.isStartElement()) continue;
            elements << xml.name().toString();
            for (const auto& a : xml.attributes()) {
                const QString name = a.name().toString();
                if (name == u"src" || name == u"href" || name == u"data" || name == u"action")
                    sources << a.value().toString();
                if (name.startsWith(u"on")) events << name;
            }
        }
        if (xml.hasError()) error = xml.errorString() + QStringLiteral(" line %1").arg(xml.lineNumber());
    }
};

} // namespace

class ReportTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_model = *openModel(sampleModel());
        m_backend = makeCpuBackend();
        const auto tokens =
            m_model->tokenizer()->encode("The old sea < the new <script>alert(1)</script> & \"quoted\" "
                                         "'words'. The rain fell on the harbour all "
                                         "day and all night, and nobody went out to sea that week. ");
        QS_VERIFY_OK(tokens);
        std::vector<int> stream;
        for (int i = 0; i < 4; ++i)
            stream.insert(stream.end(), tokens->begin(), tokens->end());
        m_windows = *cutWindows(stream, 24, 0);
        QVERIFY(m_windows.rows() >= 3);
        m_input.model = m_model;
        m_input.title = kHostile;
        m_input.createdUtc = "2026-01-31T12:00:00Z";
        m_input.runs.push_back({"A", "original", nullptr, nullptr, nullptr});
        addRun('B', 4, kHostile);
        addRun('C', 2, "two bits");
        m_input.against = 2;
        m_input.pictures.push_back({"A <picture>", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"});
        const auto html = reportHtml(m_input, {});
        QS_VERIFY_OK(html);
        m_html = *html;
    }
    void wellFormedAndSelfContained() {
        const Parsed page(m_html);
        QVERIFY2(page.error.isEmpty(), qPrintable(page.error));
        QVERIFY(page.elements.contains("table") && page.elements.contains("svg"));
        for (const char* banned : {"script", "link", "iframe", "object", "embed", "base", "form", "a"})
            QVERIFY2(!page.elements.contains(QLatin1String(banned)), banned);
        QCOMPARE(page.sources.size(), 1); // the picture
        QVERIFY(page.sources.front().startsWith("data:image/svg+xml;base64,"));
        QVERIFY(page.events.isEmpty());
        QVERIFY(m_html.find("url(") == std::string::npos && m_html.find("@import") == std::string::npos);
        QVERIFY(page.elements.count("title") == 1 + page.elements.count("svg"));
    }
    void hostileNamesAreText() {
        const Parsed page(m_html);
        QVERIFY(m_html.find("<script") == std::string::npos);
        QVERIFY(m_html.find("<img src=x") == std::string::npos);
        QString shown = QString::fromStdString(kHostile);
        shown.replace(QChar(1), QChar(0xFFFD));
        QVERIFY(page.text.contains(shown));
        // Tokens of the text, as a person reads them.
        QVERIFY(page.text.contains("script>") || page.text.contains("alert"));
    }
    void saysTheNumbers() {
        const Parsed page(m_html);
        const Evaluation &b = *m_input.runs[1].evaluation, &c = *m_input.runs[2].evaluation;
        QVERIFY(b.nll < c.nll); // two bits cost more than four, or the sign below means nothing
        const auto d = compareEvaluations(b, c, {}, {});
        QS_VERIFY_OK(d);
        QVERIFY2(page.text.contains(QString::fromStdString(verdict(*d->kl, "B", "C"))),
                 qPrintable(page.text));
        QVERIFY(d->kl->mean < 0);
        for (const ReportRun& r : m_input.runs) {
            QVERIFY(page.text.contains(QString::fromStdString(r.evaluation->textFingerprint)));
            if (!r.run) continue;
            QVERIFY(page.text.contains(QString::fromStdString(r.run->manifest().planFingerprint)));
            QVERIFY(page.text.contains(QString::number(100 * r.evaluation->top1, 'f', 2)));
        }
        for (const QuantTarget& t : m_model->targets())
            QVERIFY(page.text.contains(QString::fromStdString(t.module)));
        QVERIFY(page.text.contains(QString::fromStdString(*m_model->checkpoint().fingerprint())));
    }
    void errorsThatWereNotMeasuredAreLeftOut() {
        // Rounding needs no activations, so no output error is known (-1 in the run).
        QVERIFY(m_input.runs[1].run->results().front().error.output < 0);
        QVERIFY(m_html.find(">-100<") == std::string::npos);
    }
    void recipesLoadAgain() {
        const Parsed page(m_html);
        QCOMPARE(page.pre.size(), 2);
        for (int i = 0; i < 2; ++i) {
            const auto recipe = Recipe::fromJson(nlohmann::json::parse(page.pre[i].toStdString()), "report");
            QS_VERIFY_OK(recipe);
            QCOMPARE(resolvePlan(*recipe, *m_model).fingerprint(),
                     m_input.runs[size_t(i) + 1].plan->fingerprint());
        }
    }
    void otherProtocolIsSaid() {
        ReportInput input = m_input;
        auto other = std::make_shared<Evaluation>(*m_input.runs[1].evaluation);
        other->text = std::make_shared<const TokenWindows>(TokenWindows(other->windows(), 99));
        input.runs[1].evaluation = other;
        const auto html = reportHtml(input, {});
        QS_VERIFY_OK(html);
        const Parsed page(*html);
        QVERIFY2(page.error.isEmpty(), qPrintable(page.error));
        QVERIFY(page.text.contains("not comparable: window length differs"));
        QVERIFY(!page.text.contains("B is better"));
    }
    void withoutMeasurements() {
        ReportInput input = m_input;
        for (ReportRun& r : input.runs)
            r.evaluation.reset();
        const auto html = reportHtml(input, {});
        QS_VERIFY_OK(html);
        QVERIFY(Parsed(*html).error.isEmpty());
        QVERIFY(Parsed(*html).text.contains("not measured"));
        input.against = 3;
        QVERIFY(!reportHtml(input, {}));
        QVERIFY(!reportHtml({}, {}));
    }
    void writtenWhole() {
        const fs::path dir = scratchDir("report");
        QS_VERIFY_OK(writeReport(dir / "r.html", m_input, {}));
        QCOMPARE(*readTextFile(dir / "r.html"), m_html);
        const auto refused = writeReport(dir / "absent" / "r.html", m_input, {});
        QVERIFY(!refused && refused.error().where.find("absent") != std::string::npos);
        std::stop_source stop;
        stop.request_stop();
        QVERIFY(!writeReport(dir / "stopped.html", m_input, JobContext(stop.get_token())));
        QVERIFY(!fs::exists(dir / "stopped.html"));
    }
    void escaping() {
        QCOMPARE(report::escape("a<b>&\"'"), std::string("a&lt;b&gt;&amp;&quot;&#39;"));
        QCOMPARE(report::escape("\xC3\xA9\xF0\x9F\x98\x80\n\t"), std::string("\xC3\xA9\xF0\x9F\x98\x80\n\t"));
        // NUL, escape, a byte that is not UTF-8, a right-to-left override: one U+FFFD each.
        const std::string bad("\0\x1B\xFF\xE2\x80\xAE", 6),
            replaced = "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD";
        QCOMPARE(report::escape(bad), replaced);
        // RFC 4648, section 10.
        const std::pair<const char*, const char*> vectors[] = {
            {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
            {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
        for (const auto& [plain, coded] : vectors)
            QCOMPARE(report::base64(plain), std::string(coded));
    }
    void planInWords() {
        const Plan& uniform = *m_input.runs[1].plan;
        QVERIFY2(planSummary(uniform).starts_with("int4"), planSummary(uniform).c_str());
        QVERIFY(planSummary(uniform).find("differ") == std::string::npos);
        Recipe recipe = recipeOfPlan(uniform, "r");
        recipe.rules.insert(recipe.rules.begin(), Rule{m_model->targets()[3].module, std::nullopt});
        const Plan mixed = resolvePlan(recipe, *m_model);
        QVERIFY2(planSummary(mixed).ends_with("; 1 of 28 tensors differ"), planSummary(mixed).c_str());
        QCOMPARE(resolvePlan(recipeOfPlan(mixed, ""), *m_model).fingerprint(), mixed.fingerprint());
        const BitsGrid grid = bitsGrid(mixed), before = bitsGrid(uniform);
        QCOMPARE(grid.roles.size() * grid.blocks, size_t(28));
        size_t changed = 0;
        for (size_t i = 0; i < grid.bits.size(); ++i)
            changed += grid.bits[i] != before.bits[i];
        QCOMPARE(changed, size_t(1));
        const std::string svg = report::bitsDifferenceSvg(grid, before, "difference");
        QCOMPARE(QString::fromStdString(svg).count("<rect"), 28);
        QCOMPARE(report::signedBits(-1), std::string("\xE2\x88\x92"
                                                     "1"));
        QCOMPARE(report::signedBits(0.25), std::string("+0.25"));
        QCOMPARE(report::signedBits(0.001), std::string());
        QCOMPARE(report::bitsDifferenceSvg(grid, BitsGrid{}, "x"), std::string());
    }

private:
    void addRun(char letter, int bits, const std::string& name) {
        const auto scheme = Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", 32}}}, {"method", "rtn"}}, "test");
        QS_VERIFY_OK(scheme);
        auto plan = std::make_shared<const Plan>(resolvePlan(Recipe::uniform(*scheme), *m_model));
        RunOptions options;
        options.directory = scratchDir("report-run") / (letter + std::string(" <b>&"));
        auto run = executePlan(*m_model, *plan, nullptr, options, *m_backend, {});
        QS_VERIFY_OK(run);
        const auto weights = runWeights(*run, m_model);
        QS_VERIFY_OK(weights);
        auto e =
            evaluate(m_model->spec(), **weights, modelWeights(*m_model).get(), m_windows, {}, *m_backend, {});
        QS_VERIFY_OK(e);
        if (!m_input.runs.front().evaluation)
            m_input.runs.front().evaluation = std::make_shared<const Evaluation>(evaluationOfReference(*e));
        m_input.runs.push_back({std::string(1, letter), name, *run, plan,
                                std::make_shared<const Evaluation>(std::move(e).value())});
    }

    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend;
    TokenWindows m_windows;
    ReportInput m_input;
    std::string m_html;
};

QS_TEST(ReportTest)
#include "tst_report.moc"
