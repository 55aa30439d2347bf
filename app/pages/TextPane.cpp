// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TextPane.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/models/Metric.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/TokenTextView.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollBar>
#include <QSplitter>
#include <QVBoxLayout>

namespace qs::app {

namespace {

constexpr int kMostPassages = 500;
const auto kTag = QStringLiteral("judge-text");

int runIndex(char letter) {
    return letter - 'A';
}

QString tint(const QColor& c) {
    return QStringLiteral("color: %1").arg(c.name());
}

} // namespace

TextPane::TextPane(JudgeSet* set, QWidget* parent)
    : QWidget(parent)
    , m_set(set)
    , m_prompts(new QComboBox)
    , m_own(new QLineEdit)
    , m_mode(new ui::SegmentedButtons({tr("Teacher-forced"), tr("Greedy")}))
    , m_start(new QPushButton)
    , m_stop(new QPushButton(tr("Stop")))
    , m_split(new QSplitter)
    , m_card(new ui::TopTokensCard(this)) {
    setObjectName(QStringLiteral("textPane"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    m_own->setObjectName(QStringLiteral("ownText"));
    m_own->setPlaceholderText(tr("Type or paste a text, then press Enter"));
    m_own->setAccessibleName(tr("Your own text"));
    m_own->setMaxLength(20000);
    layout->addWidget(m_own);
    m_split->setChildrenCollapsible(false);
    m_split->setHandleWidth(1);
    layout->addWidget(m_split, 1);
    m_card->setObjectName(QStringLiteral("topTokens"));
    m_card->hide();
    connect(m_own, &QLineEdit::returnPressed, this, &TextPane::start);
    connect(set, &JudgeSet::changed, this, &TextPane::refresh);
    refresh();
}

QWidget* TextPane::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Text A/B"));
    m_prompts->setObjectName(QStringLiteral("prompts"));
    m_prompts->setAccessibleName(tr("Prompt"));
    m_prompts->setMinimumContentsLength(14);
    row->addWidget(m_prompts);
    m_mode->setObjectName(QStringLiteral("textMode"));
    m_mode->segment(TeacherForced)
        ->setToolTip(tr("Every model reads the same text; shown is what it expected at each token"));
    m_mode->segment(Greedy)->setToolTip(tr("Every model goes on after the same prompt with its most likely token"));
    m_mode->setCurrentIndex(TeacherForced);
    row->addWidget(m_mode);
    m_start->setObjectName(QStringLiteral("textStart"));
    m_stop->setObjectName(QStringLiteral("textStop"));
    row->addWidget(m_start);
    row->addWidget(m_stop);
    row->addStretch();
    row->addOptional(new ui::TokenTintLegend);
    connect(m_prompts, &QComboBox::currentIndexChanged, this, [this] {
        m_token = -1;
        showPassage();
    });
    connect(m_mode, &ui::SegmentedButtons::currentChanged, this, [this] { showPassage(); });
    connect(m_start, &QPushButton::clicked, this, &TextPane::start);
    connect(m_stop, &QPushButton::clicked, this, &TextPane::stop);
    return row;
}

TextPane::Mode TextPane::mode() const {
    return m_mode->currentIndex() == Greedy ? Greedy : TeacherForced;
}

void TextPane::setMode(Mode mode) {
    m_mode->setCurrentIndex(mode);
}

int TextPane::passage() const {
    const QVariant v = m_prompts->currentData();
    return v.isValid() ? v.toInt() : -1;
}

void TextPane::setOwnText(const QString& text) {
    m_own->setText(text);
    m_prompts->setCurrentIndex(m_prompts->findData(-1));
    showPassage();
}

// --- Runs and prompts ---

const ComparedRun* TextPane::source() const {
    const ComparedRun* first = nullptr;
    for (const ComparedRun& r : m_set->runs()) {
        if (!r.run || !r.evaluation || r.evaluation->maskedTokens) continue;
        if (r.letter == m_set->against()) return &r;
        if (!first) first = &r;
    }
    return first;
}

std::vector<const ComparedRun*> TextPane::shownRuns() const {
    std::vector<const ComparedRun*> out;
    const ComparedRun* from = source();
    for (const ComparedRun& r : m_set->runs()) {
        const bool original = !r.run;
        if (original && mode() == TeacherForced) continue;
        // Of a held-out passage the runs measured on it; the models can be asked about any other text.
        if (!original && mode() == TeacherForced && passage() >= 0 &&
            (!r.evaluation || !from || !whyNotComparable(*r.evaluation, *from->evaluation).empty()))
            continue;
        out.push_back(&r);
    }
    return out;
}

void TextPane::fillPrompts() {
    const ComparedRun* from = source();
    const int windows = from ? int(std::min<size_t>(from->evaluation->windows(), kMostPassages)) : 0;
    const int before = m_prompts->count() > 0 ? passage() : 0;
    if (m_prompts->count() == windows + 1) return;
    const QSignalBlocker blocker(m_prompts);
    m_prompts->clear();
    for (int w = 0; w < windows; ++w)
        m_prompts->addItem(tr("Held-out, passage %1").arg(w + 1), w);
    m_prompts->addItem(tr("Own text"), -1);
    const int at = m_prompts->findData(before);
    m_prompts->setCurrentIndex(std::max(0, at));
}

void TextPane::refresh() {
    fillPrompts();
    showPassage();
}

void TextPane::showToken(int window, int token) {
    setMode(TeacherForced);
    m_wanted = token;
    const int at = m_prompts->findData(window);
    if (at < 0) return;
    if (at != m_prompts->currentIndex())
        m_prompts->setCurrentIndex(at);
    else
        showPassage();
}

TextPane::Column TextPane::makeColumn(char letter) {
    Column c;
    c.letter = letter;
    c.box = new QWidget;
    auto* layout = new QVBoxLayout(c.box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* head = new QWidget;
    auto* row = new QHBoxLayout(head);
    row->setContentsMargins(14, 4, 14, 2);
    const ComparedRun* run = m_set->find(letter);
    auto* badge = new QLabel(QString(QLatin1Char(letter)));
    badge->setFont(ui::boldFont());
    badge->setStyleSheet(tint(ui::theme().runs[size_t(runIndex(letter))]));
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, badge,
            [badge, letter] { badge->setStyleSheet(tint(ui::theme().runs[size_t(runIndex(letter))])); });
    c.title = new QLabel(run ? run->name : QString());
    c.title->setTextFormat(Qt::PlainText);
    c.title->setMinimumWidth(40);
    c.note = new QLabel;
    c.note->setObjectName(QStringLiteral("textNote%1").arg(QLatin1Char(letter)));
    row->addWidget(badge);
    row->addWidget(c.title, 1);
    row->addWidget(c.note);
    c.view = new ui::TokenTextView;
    c.view->setObjectName(QStringLiteral("text%1").arg(QLatin1Char(letter)));
    layout->addWidget(head);
    layout->addWidget(c.view, 1);
    connect(c.view, &ui::TokenTextView::currentTokenChanged, this, &TextPane::chooseToken);
    connect(c.view, &ui::TokenTextView::tokenHovered, this, [this](int token) {
        if (m_forced) showCard(token >= 0 ? token : m_token);
    });
    connect(c.view->verticalScrollBar(), &QScrollBar::valueChanged, this, [this](int value) {
        if (m_syncing) return;
        m_syncing = true;
        for (const Column& other : m_columns)
            other.view->verticalScrollBar()->setValue(value);
        m_syncing = false;
        placeCard();
    });
    c.view->viewport()->installEventFilter(this);
    return c;
}

void TextPane::makeColumns(const std::vector<char>& letters) {
    const bool same = letters.size() == m_columns.size() &&
                      std::equal(letters.begin(), letters.end(), m_columns.begin(),
                                 [](char l, const Column& c) { return l == c.letter; });
    if (same) {
        for (Column& c : m_columns)
            if (const ComparedRun* r = m_set->find(c.letter)) c.title->setText(r->name);
        return;
    }
    for (const Column& c : m_columns)
        delete c.box;
    m_columns.clear();
    for (const char letter : letters) {
        m_columns.push_back(makeColumn(letter));
        m_split->addWidget(m_columns.back().box);
    }
    m_split->setSizes(QList<int>(m_split->count(), 1000));
}

void TextPane::setText(Column& column, ui::TokenTextPtr data, const QString& note) {
    column.view->setData(std::move(data));
    column.view->setCurrentToken(m_token);
    column.note->setText(note);
}

// --- What is shown ---

void TextPane::showPassage() {
    m_own->setVisible(passage() < 0);
    m_forced.reset();
    m_problem.clear();
    if (m_job && mode() == TeacherForced) m_job->cancel();
    std::vector<char> letters;
    for (const ComparedRun* r : shownRuns())
        letters.push_back(r->letter);
    if (letters.empty()) letters.push_back('A');
    makeColumns(letters);
    m_pieces.clear();
    m_ids.clear();
    updateControls();
    showCard(-1);
    if (mode() == Greedy) return showGreedy();
    const ComparedRun* from = source();
    if (passage() < 0 || !from) return showForced();
    const auto text = from->evaluation->text;
    const size_t window = size_t(passage());
    if (window >= text->rows()) return showForced();
    m_ids.assign(text->row(window), text->row(window) + text->cols());
    const auto body = [model = m_set->session()->model(), ids = m_ids](const JobScope&) -> Outcome {
        return Payload::of(piecesOf(*model->tokenizer(), ids));
    };
    JobHandle* job = m_set->session()->pool()->post(
        {QStringLiteral("judge-pieces"), tr("Decode a passage"), false, 1}, body);
    job->then(this, [this, ids = m_ids](const Outcome& outcome) {
        const auto pieces = outcome.as<QStringList>();
        if (!pieces || ids != m_ids || mode() != TeacherForced) return;
        m_pieces = *pieces;
        showMeasured();
        if (m_wanted >= 0) chooseToken(std::exchange(m_wanted, -1));
    });
}

/// From the evaluations: no model is run.
void TextPane::showMeasured() {
    for (Column& c : m_columns) {
        const ComparedRun* r = m_set->find(c.letter);
        if (!r || !r->evaluation) continue;
        const Evaluation& e = *r->evaluation;
        auto data = std::make_shared<ui::TokenTextData>();
        data->name = tr("%1 %2").arg(QLatin1Char(c.letter)).arg(r->name);
        for (const QString& piece : m_pieces)
            data->tokens.push_back({piece});
        const size_t per = e.scoredPerWindow(), first = size_t(passage()) * per;
        double sum = 0;
        int flips = 0;
        for (size_t i = first; i < first + per && i < e.tokenKl.size(); ++i) {
            const size_t at = size_t(e.tokenAt[i]) % e.windowLength();
            if (at >= size_t(data->tokens.size())) continue;
            ui::TextToken& token = data->tokens[qsizetype(at)];
            token.kl = double(e.tokenKl[i]);
            token.flip = e.tokenTop[i] != e.referenceTop[i];
            sum += token.kl;
            flips += token.flip;
        }
        setText(c, data,
                tr("mean %1 · %n flip(s)", nullptr, flips)
                    .arg(ui::formatNumber(per ? sum / double(per) : 0, 3)));
    }
}

/// From the models' answer; without one, what to do.
void TextPane::showForced() {
    const QString empty = m_set->runs().size() < 2 ? tr("Run the recipe, or add a run, to compare texts.")
                          : passage() >= 0        ? tr("Evaluate the runs to see the held-out text.")
                          : !m_problem.isEmpty()  ? m_problem
                          : busy()                ? tr("The models read the text…")
                                                  : tr("Type a text above and press Enter.");
    for (Column& c : m_columns) {
        auto data = std::make_shared<ui::TokenTextData>();
        const ComparedRun* r = m_set->find(c.letter);
        if (r) data->name = tr("%1 %2").arg(QLatin1Char(c.letter)).arg(r->name);
        data->emptyText = empty;
        QString note;
        const auto at = m_forced ? std::find(m_forced->letters.begin(), m_forced->letters.end(), c.letter)
                                 : std::vector<char>::const_iterator();
        if (m_forced && at != m_forced->letters.end()) {
            const auto& predictions = m_forced->comparison.models[size_t(at - m_forced->letters.begin())];
            double sum = 0;
            int flips = 0;
            for (qsizetype i = 0; i < m_pieces.size(); ++i) {
                ui::TextToken token{m_pieces[i]};
                if (i > 0) {
                    const TokenPrediction& p = predictions[size_t(i) - 1];
                    token.kl = double(p.kl);
                    token.flip = p.flip;
                    sum += token.kl;
                    flips += token.flip;
                }
                data->tokens.push_back(std::move(token));
            }
            note = tr("mean %1 · %n flip(s)", nullptr, flips)
                       .arg(ui::formatNumber(sum / double(std::max<size_t>(1, predictions.size())), 3));
        }
        setText(c, data, note);
    }
}

void TextPane::showGreedy() {
    for (Column& c : m_columns) {
        auto data = std::make_shared<ui::TokenTextData>();
        const ComparedRun* r = m_set->find(c.letter);
        data->name = tr("%1 %2").arg(QLatin1Char(c.letter)).arg(r ? r->name : QString());
        data->emptyText = m_set->session()->model() ? tr("Continue lets every model go on after the same prompt.")
                                                    : tr("Open a model first.");
        if (!m_problem.isEmpty()) data->emptyText = m_problem;
        QString note;
        size_t m = 0;
        while (m_greedy && m < m_greedy->letters.size() && m_greedy->letters[m] != c.letter)
            ++m;
        if (m_greedy && m < m_greedyPieces.size()) {
            for (const QString& piece : m_greedy->promptPieces)
                data->tokens.push_back({piece});
            data->prompt = int(m_greedy->promptPieces.size());
            const auto &own = m_greedyIds[m], &first = m_greedyIds[0];
            size_t same = 0;
            while (same < own.size() && same < first.size() && own[same] == first[same])
                ++same;
            for (const QString& piece : m_greedyPieces[m])
                data->tokens.push_back({piece});
            if (m > 0 && same < own.size()) {
                data->mark = data->prompt + int(same);
                note = tr("same for %n token(s)", nullptr, int(same));
            } else if (m > 0 && !own.empty()) {
                note = tr("same so far");
            }
        }
        setText(c, data, note);
    }
}

// --- Jobs ---

PassageRequest TextPane::request() const {
    PassageRequest r;
    r.model = m_set->session()->model();
    for (const ComparedRun& run : m_set->runs())
        r.models.push_back({run.letter, run.run});
    if (passage() < 0) {
        r.text = m_own->text();
        return r;
    }
    if (const ComparedRun* from = source()) {
        const auto text = from->evaluation->text;
        const size_t window = size_t(passage());
        if (window < text->rows()) r.ids.assign(text->row(window), text->row(window) + text->cols());
    }
    return r;
}

void TextPane::updateControls() {
    const bool own = passage() < 0, ready = m_set->session()->calibrateBlocker().isEmpty();
    m_start->setVisible(own || mode() == Greedy);
    m_start->setText(mode() == Greedy ? tr("Continue") : tr("Compare"));
    const QString why = !ready ? m_set->session()->calibrateBlocker() : QString();
    m_start->setEnabled(why.isEmpty() && !busy());
    m_start->setToolTip(!why.isEmpty()       ? why
                        : mode() == Greedy ? tr("Up to %1 tokens by each model").arg(kGreedyTokens)
                                           : tr("Runs every model over the text"));
    m_stop->setVisible(busy());
}

void TextPane::stop() {
    if (m_job) m_job->cancel();
}

/// The ten most likely tokens of every model at every position of the text shown.
void TextPane::requestModels() {
    Session* session = m_set->session();
    if (busy() || m_forced || !session->calibrateBlocker().isEmpty()) return;
    PassageRequest asked = request();
    if (asked.ids.empty() && asked.text.trimmed().isEmpty()) return;
    const QString title =
        passage() < 0 ? tr("Compare your text") : tr("Compare held-out passage %1").arg(passage() + 1);
    m_problem.clear();
    m_job = session->engine()->post({kTag, title}, [asked](const JobScope& scope) -> Outcome {
        return Outcome::from(comparePassage(asked, scope.backend(), scope.job()));
    });
    m_job->then(this, [this, asked](const Outcome& outcome) {
        const auto passageNow = outcome.as<Passage>();
        m_job.clear();
        updateControls();
        if (m_set->session()->model() != asked.model || mode() != TeacherForced) return;
        if (outcome.failed()) m_problem = QString::fromStdString(outcome.error().describe());
        if (passageNow && (asked.ids.empty() ? passage() < 0 : asked.ids == m_ids)) {
            m_forced = passageNow;
            m_ids = passageNow->comparison.ids;
            m_pieces = passageNow->pieces;
        }
        if (asked.ids.empty()) showForced();
        showCard(m_token);
    });
    updateControls();
}

void TextPane::start() {
    if (mode() == TeacherForced) {
        m_forced.reset();
        m_token = -1;
        requestModels();
        return showForced();
    }
    Session* session = m_set->session();
    if (busy() || !session->calibrateBlocker().isEmpty()) return;
    PassageRequest asked = request();
    if (asked.ids.size() > kGreedyPrompt) asked.ids.resize(kGreedyPrompt);
    if (asked.ids.empty() && asked.text.isEmpty()) return;
    m_problem.clear();
    m_greedy.reset();
    m_greedyPieces.assign(asked.models.size(), {});
    m_greedyIds.assign(asked.models.size(), {});
    m_job = session->engine()->post({kTag, tr("Continue a text")}, [asked](const JobScope& scope) -> Outcome {
        return Outcome::from(continueGreedily(asked, kGreedyTokens, scope));
    });
    m_job->onPartial(this, [this](const std::vector<Payload>& partials) {
        for (const Payload& p : partials) {
            if (const auto begun = p.as<GreedyTexts>()) m_greedy = begun;
            const auto token = p.as<GreedyToken>();
            if (!token || token->model >= m_greedyIds.size()) continue;
            m_greedyPieces[token->model] << token->piece;
            m_greedyIds[token->model].push_back(token->id);
        }
        if (mode() == Greedy) showGreedy();
    });
    m_job->then(this, [this](const Outcome& outcome) {
        if (const auto done = outcome.as<GreedyTexts>()) m_greedy = done;
        if (outcome.failed()) m_problem = QString::fromStdString(outcome.error().describe());
        m_job.clear();
        updateControls();
        if (mode() == Greedy) showGreedy();
    });
    updateControls();
    showGreedy();
}

// --- A token ---

void TextPane::chooseToken(int token) {
    if (mode() == Greedy) return;
    m_token = token;
    for (const Column& c : m_columns)
        c.view->setCurrentToken(token);
    if (token > 0) requestModels();
    showCard(token);
}

ui::TokenTextView* TextPane::view(char letter) const {
    for (const Column& c : m_columns)
        if (c.letter == letter) return c.view;
    return nullptr;
}

ui::TopTokensData TextPane::cardData(int token) const {
    ui::TopTokensData data;
    QStringList head = {tr("“%1”, token %2").arg(m_pieces.value(token).trimmed()).arg(token)};
    if (!m_forced) {
        data.headline = head.front();
        data.note = busy() ? tr("The models read the passage; the ten most likely tokens follow.")
                    : m_problem.isEmpty() ? tr("Not read yet.")
                                          : m_problem;
        return data;
    }
    const Tokenizer& tokenizer = *m_set->session()->model()->tokenizer();
    const TokenComparison& c = m_forced->comparison;
    QStringList surprise;
    for (size_t m = 0; m < c.models.size(); ++m) {
        const TokenPrediction& p = c.models[m][size_t(token) - 1];
        const char letter = m_forced->letters[m];
        if (m > 0) head << tr("KL %1 %2").arg(QLatin1Char(letter)).arg(ui::formatNumber(double(p.kl), 3));
        surprise << ui::formatNumber(double(p.nll), 3);
        ui::TopTokensData::Column column;
        column.run = runIndex(letter);
        if (const ComparedRun* r = m_set->find(letter)) column.title = r->name;
        for (const TokenChoice& choice : p.top)
            column.choices.push_back({QString::fromStdString(tokenizer.display(choice.id)),
                                      double(choice.probability), choice.id == c.ids[size_t(token)]});
        data.columns.push_back(std::move(column));
    }
    head << tr("surprise %1 nats").arg(surprise.join(QStringLiteral(" → ")));
    data.headline = head.join(QStringLiteral("   "));
    return data;
}

void TextPane::showCard(int token) {
    if (token < 1 || token >= m_pieces.size() || mode() == Greedy) {
        m_card->hide();
        return;
    }
    m_card->setData(cardData(token));
    m_card->show();
    placeCard();
}

/// At the lower edge, or at the upper one when the token stands below.
void TextPane::placeCard() {
    if (m_card->isHidden() || m_columns.empty()) return;
    const QRect room(m_split->pos(), m_split->size());
    const QSize size = m_card->sizeHint().boundedTo(room.size() - QSize(16, 16));
    bool low = false;
    for (const Column& c : m_columns) {
        const QRectF r = c.view->tokenRect(c.view->currentToken());
        if (!r.isEmpty() && c.view->viewport()->mapTo(this, r.bottomLeft().toPoint()).y() >
                                room.bottom() - size.height() - 12)
            low = true;
    }
    const int y = low ? room.top() + 8 : room.bottom() - size.height() - 8;
    m_card->setGeometry(QRect(QPoint(room.right() - size.width() - 8, y), size));
    m_card->raise();
}

bool TextPane::eventFilter(QObject* object, QEvent* event) {
    if (event->type() == QEvent::Resize) placeCard();
    return QWidget::eventFilter(object, event);
}

} // namespace qs::app
