// SPDX-License-Identifier: GPL-3.0-or-later
// Judge through the window: two real runs of the sample at 4 and 2 bits, compared, read, remembered,
// reported.
#include "app/pages/DifferenceMapPane.h"
#include "app/pages/EvaluationModel.h"
#include "app/pages/JudgePage.h"
#include "app/pages/TextPane.h"
#include "app/pages/WorstTokensPane.h"
#include "core/model/forward.h"
#include "core/model/generate.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/views/Chip.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/TokenTextView.h"

#include <QComboBox>
#include <QLineEdit>
#include <QProcess>
#include <QTableView>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using app::EvaluationModel;
using app::TextPane;

namespace {
constexpr int kLong = 180000;
constexpr int kWindow = 64, kWindows = 12;
} // namespace

class WindowJudge : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-judge");
        open();
        // Nothing to judge yet, and the page says what to do.
        QVERIFY(!m_window->enabled("exportReport"));
        QVERIFY(m_window->window->action("exportReport")->toolTip().contains(u"Run the recipe"));
        QCOMPARE(page()->model()->rowCount(), 1);
        for (const int bits : {4, 2})
            runAt(bits);
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void runsTakeLetters() {
        QCOMPARE(set()->runs().size(), size_t(3));
        QCOMPARE(page()->model()->letterAt(1), 'B');
        QCOMPARE(set()->against(), 'C'); // the newest is what the others are held against
        // B was made first: 4 bits.
        QVERIFY(set()->find('B')->plan->bitsPerWeight() > set()->find('C')->plan->bitsPerWeight() + 1.5);
        QCOMPARE(cell('B', EvaluationModel::Kl), QStringLiteral("not measured"));
        QCOMPARE(m_window->session()->run()->directory(), set()->find('C')->run->directory());
    }

    void evaluateAll() {
        QVERIFY(evaluate(kWindow, kWindows));
        for (const char letter : {'A', 'B', 'C'}) {
            const auto e = set()->find(letter)->evaluation;
            QVERIFY2(e, qPrintable(QString(letter)));
            QCOMPARE(e->windowLength(), size_t(kWindow));
            QCOMPARE(e->tokens, uint64_t(kWindows * (kWindow - 1)));
        }
        QVERIFY(page()->protocol()->text().startsWith(u"same protocol"));
    }

    /// The verdict has the sign that the perplexities have, and the mean is that of the tokens.
    void theBetterRunIsBetter() {
        const auto b = set()->find('B')->evaluation, c = set()->find('C')->evaluation;
        QVERIFY(b->perplexity < c->perplexity);
        QTRY_VERIFY(set()->difference('B').difference.has_value());
        const EvaluationDifference d = *set()->difference('B').difference;
        double kl = 0, nll = 0;
        for (size_t i = 0; i < b->tokenKl.size(); ++i) {
            kl += double(b->tokenKl[i]) - double(c->tokenKl[i]);
            nll += double(b->tokenNll[i]) - double(c->tokenNll[i]);
        }
        QVERIFY(std::fabs(d.kl->mean - kl / double(b->tokens)) <= 1e-9);
        QVERIFY(std::fabs(d.nll.mean - nll / double(b->tokens)) <= 1e-9);
        QVERIFY(d.kl->mean < 0 && d.kl->high < 0 && d.kl->probabilityBelow > 0.99);
        QTRY_VERIFY2(cell('B', EvaluationModel::Against).startsWith(u"B is better"),
                     qPrintable(cell('B', EvaluationModel::Against)));
        QCOMPARE(cell('C', EvaluationModel::Against), QStringLiteral("reference"));
        // Chosen the other way round it says the same of the other.
        auto* against = m_window->find<QComboBox>("judgeAgainst");
        against->setCurrentIndex(against->findData(int('B')));
        emit against->activated(against->currentIndex());
        QTRY_VERIFY2(cell('C', EvaluationModel::Against).startsWith(u"B is better"),
                     qPrintable(cell('C', EvaluationModel::Against)));
        QVERIFY(std::fabs(set()->difference('C').difference->kl->mean + d.kl->mean) <= 1e-12);
        set()->setAgainst('C');
        QTRY_VERIFY(set()->difference('B').difference.has_value());
    }

    void bitsAndErrorsByTensor() {
        page()->setSubject('B');
        auto* map = page()->differenceMap()->map();
        QVERIFY(map->data() && map->data()->diverging);
        QCOMPARE(map->data()->values.size(), 28);
        // By hand: codes of 4 and 2 bits, and per group of 32 a zero point of as many.
        for (qsizetype i = 0; i < 28; ++i) {
            QVERIFY2(std::fabs(map->data()->values[i] - (2 + 2.0 / 32)) <= 1e-9,
                     qPrintable(QString::number(map->data()->values[i])));
            QCOMPARE(map->data()->cellTexts[i], QStringLiteral("+2.06"));
        }
        page()->differenceMap()->setMetric(app::DifferenceMapPane::Error);
        const auto *b = set()->find('B')->run->result("layers.1.mlp.up_proj"),
                   *c = set()->find('C')->run->result("layers.1.mlp.up_proj");
        const auto data = page()->differenceMap()->map()->data();
        const qsizetype up = data->rowLabels.indexOf(QStringLiteral("up"));
        QVERIFY(b && c && up >= 0);
        QVERIFY(std::fabs(data->value(int(up), 1) - std::log2(c->error.weight / b->error.weight)) <= 1e-9);
        QVERIFY(data->value(int(up), 1) > 1); // purple: B is better
        page()->differenceMap()->setMetric(app::DifferenceMapPane::Bits);
        // Against the original: bits are fewer.
        page()->setSubject('C');
        QVERIFY(page()->differenceMap()->map()->data()->values[0] < -8);
        page()->setSubject('B');
        auto* change = m_window->find<ui::HistogramWidget>("lossChange");
        quint64 total = 0;
        for (const quint64 n : change->data()->before)
            total += n;
        QCOMPARE(total, quint64(kWindows * (kWindow - 1)));
    }

    void heldOutText() {
        QTRY_VERIFY(text()->view('B') && text()->view('B')->data());
        QVERIFY(!text()->view('A')); // teacher-forced: the original has no difference to itself
        QCOMPARE(text()->passage(), 0);
        const auto b = set()->find('B')->evaluation;
        QTRY_COMPARE(text()->view('B')->data()->tokens.size(), qsizetype(kWindow));
        const auto data = text()->view('B')->data();
        QVERIFY(std::isnan(data->tokens[0].kl)); // context only
        QString all;
        for (int t = 1; t < kWindow; ++t) {
            QCOMPARE(data->tokens[t].kl, double(b->tokenKl[size_t(t) - 1]));
            QCOMPARE(data->tokens[t].flip, b->tokenTop[size_t(t) - 1] != b->referenceTop[size_t(t) - 1]);
        }
        for (const auto& token : data->tokens)
            all += token.text;
        all.remove(QStringLiteral("<|bos|>")); // shown, though it decodes to nothing
        const std::vector<int> ids(b->text->row(0), b->text->row(0) + kWindow);
        const auto decoded = m_window->session()->model()->tokenizer()->decode(ids);
        QCOMPARE(all, QString::fromStdString(*decoded));
    }

    /// The card's numbers against softmax over the logits of original and run.
    void mostLikelyTokens() {
        (*m_window)->setWorkspace(app::Workspace::Judge);
        auto* view = text()->view('B');
        view->setFocus();
        for (int i = 0; i < 21; ++i)
            QTest::keyClick(view, Qt::Key_Right); // from none: token 0 comes first
        QCOMPARE(view->currentToken(), 20);
        QCOMPARE(text()->view('C')->currentToken(), 20);
        QTRY_COMPARE_WITH_TIMEOUT(text()->card()->data().columns.size(), qsizetype(3), kLong);
        QVERIFY(text()->card()->isVisible());
        const auto model = m_window->session()->model();
        const auto weights = runWeights(set()->find('B')->run, model);
        QS_VERIFY_OK(weights);
        auto backend = makeCpuBackend(1);
        const auto ids = set()->find('B')->evaluation->text;
        const auto logits =
            computeLogits(model->spec(), **weights, {ids->row(0), size_t(kWindow)}, *backend, {});
        QS_VERIFY_OK(logits);
        std::vector<double> p(logits->cols());
        double sum = 0;
        for (size_t v = 0; v < p.size(); ++v)
            sum += p[v] = std::exp(double((*logits)(19, v)));
        std::sort(p.rbegin(), p.rend());
        const auto& column = text()->card()->data().columns[1];
        QCOMPARE(column.run, 1);
        QCOMPARE(column.choices.size(), qsizetype(10));
        for (int k = 0; k < 10; ++k)
            QVERIFY(std::fabs(column.choices[k].probability - p[size_t(k)] / sum) <= 1e-5);
        QTest::keyClick(view, Qt::Key_Escape);
        QVERIFY(!text()->card()->isVisible());
    }

    void worstTokenOpensItsPassage() {
        page()->setSubject('C');
        auto* table = page()->worstTokens()->view();
        QTRY_COMPARE(table->model()->rowCount(), int(app::WorstTokensPane::kShown));
        const auto c = set()->find('C')->evaluation;
        const size_t worst =
            size_t(std::max_element(c->tokenKl.begin(), c->tokenKl.end()) - c->tokenKl.begin());
        const int window = int(worst) / (kWindow - 1), token = int(worst) % (kWindow - 1) + 1;
        emit table->clicked(table->model()->index(0, 1));
        QCOMPARE(text()->passage(), window);
        QTRY_COMPARE(text()->view('C')->currentToken(), token);
        QCOMPARE(text()->view('C')->data()->tokens[token].kl, double(c->tokenKl[worst]));
        QTRY_VERIFY_WITH_TIMEOUT(!text()->busy(), kLong);
    }

    void ownText() {
        text()->setOwnText(QStringLiteral("The old sea was calm, and the harbour slept."));
        QVERIFY(m_window->find<QLineEdit>("ownText")->isVisible());
        text()->start();
        QTRY_VERIFY_WITH_TIMEOUT(text()->view('B') && text()->view('B')->data() &&
                                     text()->view('B')->data()->tokens.size() > 5,
                                 kLong);
        QString all;
        double kl = 0;
        for (const auto& token : text()->view('B')->data()->tokens) {
            all += token.text;
            if (!std::isnan(token.kl)) kl += token.kl;
        }
        QVERIFY2(all.contains(u"the harbour slept."), qPrintable(all));
        QVERIFY(kl > 0);
    }

    /// The same ids as core's generate(), which the command `generate` prints.
    void greedyContinuations() {
        const QString prompt = QStringLiteral("Once upon a time");
        text()->setMode(TextPane::Greedy);
        text()->setOwnText(prompt);
        text()->start();
        QTRY_VERIFY_WITH_TIMEOUT(!text()->busy() && text()->greedy() && text()->greedy()->made.size() == 3,
                                 kLong);
        const auto model = m_window->session()->model();
        const auto ids = model->tokenizer()->encode(prompt.toStdString());
        auto backend = makeCpuBackend(1);
        GenerateOptions options;
        options.maxNewTokens = TextPane::kGreedyTokens;
        options.stopId = model->tokenizer()->eosId();
        const auto weights = runWeights(set()->find('C')->run, model);
        QS_VERIFY_OK(weights);
        const auto a = generate(model->spec(), *modelWeights(*model), *ids, options, *backend, {}),
                   c = generate(model->spec(), **weights, *ids, options, *backend, {});
        QS_VERIFY_OK(a);
        QS_VERIFY_OK(c);
        QCOMPARE(text()->greedy()->made[0], *a);
        QCOMPARE(text()->greedy()->made[2], *c);
        const auto shown = text()->view('C')->data();
        QCOMPARE(shown->tokens.size(), qsizetype(ids->size() + c->size()));
        size_t same = 0;
        while (same < a->size() && same < c->size() && (*a)[same] == (*c)[same])
            ++same;
        QVERIFY(same < c->size()); // 2 bits do not write what the original writes
        QCOMPARE(shown->mark, int(ids->size() + same));
        if (const QString cli = qEnvironmentVariable("QS_CLI"); !cli.isEmpty()) {
            QProcess process;
            process.start(
                cli, {"generate", QString::fromStdString(set()->find('C')->run->directory().string()),
                      "--prompt", prompt, "--tokens", QString::number(TextPane::kGreedyTokens), "--json"});
            QVERIFY(process.waitForFinished(kLong));
            const auto json =
                nlohmann::json::parse(process.readAllStandardOutput().toStdString(), nullptr, false);
            QCOMPARE(json["ids"].get<std::vector<int>>(), *c);
        }
        text()->setMode(TextPane::TeacherForced);
    }

    void report() {
        const QString file = m_home->folder + QStringLiteral("/report.html");
        m_window->dialogs->answers.push_back(file);
        m_window->trigger("exportReport");
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(file), kLong);
        QFile html(file);
        QVERIFY(html.open(QIODevice::ReadOnly));
        const QByteArray page = html.readAll();
        QVERIFY(page.contains("B is better") && page.contains("data:image/svg+xml;base64,"));
        QVERIFY(!page.contains("<script"));
        const Plan& plan = *set()->find('B')->plan;
        QVERIFY(page.contains(plan.fingerprint().c_str()));
    }

    void remembered() {
        const auto before = set()->find('B')->evaluation;
        const QString directory = set()->find('B')->directory;
        m_window.reset();
        open();
        QTRY_COMPARE_WITH_TIMEOUT(set()->runs().size(), size_t(3), kLong);
        QVERIFY(!m_window->session()->run()); // what Run and Export use is another matter
        QCOMPARE(set()->find('B')->directory, directory);
        QCOMPARE(set()->against(), 'C');
        for (const char letter : {'A', 'B', 'C'})
            QVERIFY2(set()->find(letter)->evaluation, qPrintable(QString(letter)));
        QCOMPARE(set()->find('B')->evaluation->tokenKl, before->tokenKl);
        QTRY_VERIFY(set()->difference('B').difference.has_value());
        QVERIFY(m_window->session()->engine()->handles().empty()); // nothing was measured again
    }

    void otherProtocolsAreNotCompared() {
        // Only B again, with shorter windows, as an evaluation of the present run would do.
        auto* open = m_window->session()->openRun(set()->find('B')->directory);
        QTRY_VERIFY_WITH_TIMEOUT(open->isEnded(), kLong);
        QTRY_VERIFY(m_window->session()->run());
        app::EvaluateRequest request;
        request.text.windowLength = 32;
        request.text.windows = 6;
        auto* job = m_window->session()->evaluate(request);
        QTRY_VERIFY_WITH_TIMEOUT(job->isEnded(), kLong);
        QTRY_COMPARE(set()->find('B')->evaluation->windowLength(), size_t(32));
        QCOMPARE(set()->difference('B').problem, QStringLiteral("not comparable: window length differs"));
        QVERIFY(!set()->difference('B').difference.has_value());
        QTRY_COMPARE(cell('B', EvaluationModel::Against),
                     QStringLiteral("not comparable: window length differs"));
        const QModelIndex i = page()->model()->index(page()->model()->rowOf('B'), EvaluationModel::Against);
        QCOMPARE(i.data(EvaluationModel::ToneRole).toInt(), int(ui::Chip::Tone::Warning));
        QCOMPARE(page()->protocol()->text(), QStringLiteral("protocols differ"));
        page()->setSubject('B');
        auto* change = m_window->find<ui::HistogramWidget>("lossChange");
        QVERIFY(change->data()->bins() == 0 && change->data()->emptyText.contains(u"window length"));
    }

    void addAndRemove() {
        const QString directory = set()->find('B')->directory;
        set()->removeRun('B');
        QCOMPARE(set()->runs().size(), size_t(2));
        set()->removeRun('A'); // always stays
        QCOMPARE(set()->runs().size(), size_t(2));
        m_window->dialogs->answers.push_back(directory);
        m_window->find<QPushButton>("judgeAdd")->click();
        QTRY_COMPARE_WITH_TIMEOUT(set()->runs().size(), size_t(3), kLong);
        QCOMPARE(set()->find('B')->directory, directory);
        auto* absent = set()->addRun(m_home->folder + QStringLiteral("/absent"));
        QTRY_VERIFY_WITH_TIMEOUT(absent->isEnded(), kLong);
        QTRY_VERIFY((*m_window)->messageBar()->isVisible()); // says why
        QCOMPARE(set()->runs().size(), size_t(3));
    }

private:
    void open() {
        m_window = std::make_unique<WindowFixture>(*m_home);
        (*m_window)->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), kLong);
        (*m_window)->resize(1600, 1000);
    }
    void runAt(int bits) {
        const auto scheme = Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", 32}}}, {"method", "rtn"}}, "test");
        QS_VERIFY_OK(scheme);
        m_window->table()->applyRecipe(Recipe::uniform(*scheme), QStringLiteral("bits"));
        const size_t before = set()->runs().size();
        QVERIFY2(m_window->session()->runBlocker().isEmpty(), qPrintable(m_window->session()->runBlocker()));
        m_window->session()->startRun();
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->run() && m_window->session()->run()->complete(), kLong);
        QTRY_COMPARE_WITH_TIMEOUT(set()->runs().size(), before + 1, kLong);
    }
    bool evaluate(int length, int windows) {
        m_window->trigger("evaluate");
        if (!m_window->startDialog("evaluateDialog", length, windows)) return false;
        return QTest::qWaitFor([&] { return m_window->session()->evaluation() != nullptr; }, kLong);
    }
    app::JudgePage* page() const { return (*m_window)->judgePage(); }
    app::JudgeSet* set() const { return page()->runs(); }
    TextPane* text() const { return page()->text(); }
    QString cell(char letter, int column) const {
        return page()->model()->index(page()->model()->rowOf(letter), column).data().toString();
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowJudge)
#include "tst_window_judge.moc"
