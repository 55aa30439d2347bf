// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TokenListsPane.h"

#include "app/pages/ToneLabel.h"
#include "widgets/models/Metric.h"
#include "widgets/views/Delegates.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ViewSetup.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QSignalBlocker>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kShownSinks = 12;

QStandardItem* cell(const QString& text, bool number) {
    auto* item = new QStandardItem(text);
    item->setEditable(false);
    item->setTextAlignment((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    return item;
}

QString signedText(double v, int digits) {
    const QString text = ui::numberText(std::abs(v), digits);
    return (v < 0 ? QChar(0x2212) : QLatin1Char('+')) + text;
}

/// "2–4, 7" of ascending numbers.
QString rangesText(const std::vector<size_t>& numbers) {
    QStringList parts;
    for (size_t i = 0; i < numbers.size();) {
        size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1)
            ++end;
        parts << (end - i == 1 ? QString::number(numbers[i])
                               : QStringLiteral("%1–%2").arg(numbers[i]).arg(numbers[end - 1]));
        i = end;
    }
    return parts.join(QStringLiteral(", "));
}

QString changeText(Change change, const QString& format) {
    switch (change) {
    case Change::Zero:
        return TokenListsPane::tr("Set the weight to 0");
    case Change::Round:
        return TokenListsPane::tr("Round the tensor to %1").arg(format);
    case Change::RoundRest:
        return TokenListsPane::tr("Round all but the weight");
    }
    return {};
}

void setHeaders(QStandardItemModel* model, const QStringList& texts, const QStringList& tips) {
    model->setHorizontalHeaderLabels(texts);
    for (int i = 0; i < texts.size(); ++i)
        model->horizontalHeaderItem(i)->setToolTip(tips.value(i));
}

} // namespace

TokenListsPane::TokenListsPane(ProbeState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_massiveHead(new ui::SectionHeader(tr("Massive activations")))
    , m_superHead(new ui::SectionHeader(tr("Super-weight candidates")))
    , m_whatIfHead(new ui::SectionHeader(tr("What if"), tr("measured on this window")))
    , m_massiveModel(new QStandardItemModel(this))
    , m_sinkModel(new QStandardItemModel(this))
    , m_superModel(new QStandardItemModel(this))
    , m_massive(makeTable("massiveTable", tr("Massive activations"), m_massiveModel, 196))
    , m_sinks(makeTable("sinkTable", tr("Attention sinks"), m_sinkModel, 112))
    , m_super(makeTable("superTable", tr("Super-weight candidates"), m_superModel, 118))
    , m_massiveNote(new ToneLabel)
    , m_sinkNote(new ToneLabel)
    , m_whatIfNote(new ToneLabel)
    , m_facts(new ui::KeyValueGrid)
    , m_answer(new ui::KeyValueGrid) {
    setObjectName(QStringLiteral("tokenLists"));
    m_massiveHead->setLineAbove(false);
    m_sinks->setItemDelegateForColumn(2, new ui::ShareBarDelegate(ShareRole, false, m_sinks));
    auto* content = new QWidget;
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 8);
    column->setSpacing(0);
    for (QLabel* note : {m_massiveNote, m_sinkNote, m_whatIfNote})
        note->setContentsMargins(10, 5, 10, 5);
    for (QWidget* w :
         {static_cast<QWidget*>(m_massiveHead), static_cast<QWidget*>(m_massive),
          static_cast<QWidget*>(m_massiveNote),
          static_cast<QWidget*>(new ui::SectionHeader(tr("Attention sinks"), tr("mean weight received"))),
          static_cast<QWidget*>(m_sinks), static_cast<QWidget*>(m_sinkNote),
          static_cast<QWidget*>(m_superHead), static_cast<QWidget*>(m_super), makeWhatIf()})
        column->addWidget(w);
    column->addStretch(1);
    auto* scroll = new QScrollArea;
    scroll->setAccessibleName(tr("Massive activations, attention sinks, super weights"));
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setWidget(content);
    scroll->setMinimumWidth(content->minimumSizeHint().width() +
                            scroll->verticalScrollBar()->sizeHint().width());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(scroll);
    const auto onRow = [this](QTableView* view, auto f) {
        connect(view->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
                [f](const QModelIndex& i) {
                    if (i.isValid()) f(i);
                });
    };
    onRow(m_massive, [this](const QModelIndex& i) {
        m_state->setCrosshair({i.data(ChannelRole).toInt(), i.data(TokenRole).toInt()});
    });
    onRow(m_sinks, [this](const QModelIndex& i) {
        m_state->setCrosshair({std::max(0, m_state->crosshair().x()), i.data(TokenRole).toInt()});
    });
    onRow(m_super, [this](const QModelIndex& i) { chooseSpike(i.data(IndexRole).toInt()); });
    connect(state, &ProbeState::mapChanged, this, &TokenListsPane::showMassive);
    connect(state, &ProbeState::traceChanged, this, [this] {
        showSinks();
        showSpikes();
    });
    connect(state, &ProbeState::crosshairChanged, this, &TokenListsPane::markCrosshair);
    connect(state, &ProbeState::answerChanged, this, &TokenListsPane::showAnswer);
    connect(state->session()->table(), &SchemeTable::planChanged, this, &TokenListsPane::showAnswer);
    showMassive();
    showSinks();
    showSpikes();
}

QTableView* TokenListsPane::makeTable(const char* name, const QString& accessible, QStandardItemModel* model,
                                      int height) {
    auto* view = new QTableView;
    view->setObjectName(QString::fromLatin1(name));
    view->setAccessibleName(accessible);
    ui::setupTable(view);
    view->setModel(model);
    view->setSelectionMode(QAbstractItemView::SingleSelection);
    view->setFixedHeight(height);
    view->setMinimumWidth(200);
    view->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    // Always, so that the columns are divided among the width that is left beside it.
    view->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn);
    view->horizontalHeader()->setMinimumSectionSize(30);
    return view;
}

QWidget* TokenListsPane::makeWhatIf() {
    m_measure = new QPushButton(tr("Measure"));
    m_keep = new QPushButton(tr("Keep in 16 bits"));
    m_open = new QPushButton(tr("Open"));
    m_measure->setObjectName(QStringLiteral("measureWhatIf"));
    m_keep->setObjectName(QStringLiteral("keepWhatIf"));
    m_open->setObjectName(QStringLiteral("openWhatIf"));
    m_answer->setObjectName(QStringLiteral("whatIfAnswer"));
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    for (ui::KeyValueGrid* grid : {m_facts, m_answer})
        grid->layout()->setContentsMargins(10, 4, 10, 4);
    auto* buttons = new QHBoxLayout;
    buttons->setContentsMargins(10, 6, 10, 4);
    buttons->setSpacing(6);
    for (QPushButton* b : {m_measure, m_keep, m_open})
        buttons->addWidget(b);
    buttons->addStretch(1);
    column->addWidget(m_facts);
    column->addWidget(m_whatIfHead);
    column->addWidget(m_answer);
    column->addWidget(m_whatIfNote);
    column->addLayout(buttons);
    connect(m_measure, &QPushButton::clicked, this, [this] {
        if (const DownSpike* s = spike()) m_state->measure(*s);
    });
    connect(m_keep, &QPushButton::clicked, this, [this] {
        if (const DownSpike* s = spike()) emit keepRequested(QString::fromStdString(s->module));
    });
    connect(m_open, &QPushButton::clicked, this, [this] {
        if (const DownSpike* s = spike())
            emit tensorRequested(QString::fromStdString(s->module), int(s->row));
    });
    return part;
}

QString TokenListsPane::tokenText(size_t token) const {
    const auto tokens = m_state->tokens();
    return tokens ? tokens->texts.value(int(token)) : QString();
}

const DownSpike* TokenListsPane::spike() const {
    return m_spike >= 0 && m_spike < int(m_spikes.size()) ? &m_spikes[size_t(m_spike)] : nullptr;
}

void TokenListsPane::showMassive() {
    const QSignalBlocker quiet(m_massive->selectionModel());
    m_massiveModel->clear();
    setHeaders(m_massiveModel, {tr("token"), tr("pos"), tr("channel"), tr("value"), tr("÷ median")},
               {{}, tr("position in the window"), {}, {}, tr("|x| over the median |x| of the site")});
    const auto map = m_state->map();
    m_massiveHead->setNote(tr("|x| ≥ %1").arg(ruleText(m_state->rule())));
    if (!map) {
        m_massiveNote->clear();
        return;
    }
    for (const MassiveActivation& a : map->massive.largest) {
        QList<QStandardItem*> row = {cell(tokenText(a.token), false), cell(QString::number(a.token), true),
                                     cell(QString::number(a.channel), true),
                                     cell(signedText(double(a.value), 4), true),
                                     cell(ui::numberText(a.ratio, 3), true)};
        row[0]->setFont(ui::monoFont());
        row[2]->setFont(ui::boldFont());
        row[0]->setData(int(a.token), TokenRole);
        row[0]->setData(int(a.channel), ChannelRole);
        m_massiveModel->appendRow(row);
    }
    m_massive->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    const MassiveActivations& m = map->massive;
    QString note =
        m.count == 0
            ? tr("No value of %1 passes. The largest is %2 times the median.")
                  .arg(QString::fromStdString(map->site),
                       ui::numberText(m.median > 0 ? double(map->picture->absmax) / m.median : 0, 3))
            : tr("%1 values of %2 in this window. They hold %3 % of the energy.", nullptr, int(m.count))
                  .arg(ui::integerText(qint64(m.count)), ui::integerText(qint64(m.values)),
                       ui::numberText(m.energy * 100, 3));
    if (m.count > m.largest.size()) note += tr(" The %1 largest are listed.").arg(m.largest.size());
    m_massiveNote->setText(note);
    markCrosshair();
}

void TokenListsPane::markCrosshair() {
    const QPoint cross = m_state->crosshair();
    const QSignalBlocker quiet(m_massive->selectionModel());
    for (int r = 0; r < m_massiveModel->rowCount(); ++r) {
        const QModelIndex first = m_massiveModel->index(r, 0);
        if (first.data(ChannelRole).toInt() != cross.x() || first.data(TokenRole).toInt() != cross.y())
            continue;
        if (m_massive->currentIndex().row() != r) m_massive->selectRow(r);
        m_massive->viewport()->update();
        return;
    }
    m_massive->clearSelection();
    m_massive->setCurrentIndex({});
    m_massive->viewport()->update();
}

void TokenListsPane::showSinks() {
    const QSignalBlocker quiet(m_sinks->selectionModel());
    m_sinkModel->clear();
    const QString formula =
        tr("Attention weight that a position receives, mean over heads and queries of a block, "
           "then over the blocks named. Listed: at least 3 times what even attention would give "
           "the position, and 3 times the mean.");
    setHeaders(m_sinkModel, {tr("token"), tr("blocks"), tr("weight, %")}, {{}, {}, formula});
    const auto trace = m_state->trace();
    std::vector<AttentionSink> sinks;
    if (trace && trace->complete) sinks = attentionSinks(trace->received.view(), trace->even.view());
    for (const AttentionSink& s : sinks) {
        if (m_sinkModel->rowCount() == kShownSinks) break;
        QList<QStandardItem*> row = {
            cell(QStringLiteral("%1  %2").arg(tokenText(s.token)).arg(s.token), false),
            cell(rangesText(s.blocks), false), cell(ui::numberText(s.received * 100, 2), true)};
        row[0]->setFont(ui::monoFont());
        row[0]->setData(int(s.token), TokenRole);
        row[2]->setData(s.received, ShareRole);
        row[2]->setToolTip(formula);
        m_sinkModel->appendRow(row);
    }
    m_sinks->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    m_sinkNote->setVisible(trace && trace->complete && sinks.empty());
    m_sinkNote->setText(tr("No position receives 3 times its even share: this window has no sink."));
}

void TokenListsPane::showSpikes() {
    const QSignalBlocker quiet(m_super->selectionModel());
    m_spikes = m_state->spikes();
    m_superModel->clear();
    setHeaders(m_superModel, {tr("down_proj of"), tr("row, column"), tr("w"), tr("share")},
               {{}, {}, {}, tr("w x over the output it is part of: near 100 % one weight makes it alone")});
    int found = 0;
    for (size_t i = 0; i < m_spikes.size(); ++i) {
        const DownSpike& s = m_spikes[i];
        const bool passes = isSuperWeight(s, m_state->rule());
        found += passes ? 1 : 0;
        QList<QStandardItem*> row = {cell(tr("block %1").arg(s.block), false),
                                     cell(QStringLiteral("%1, %2").arg(s.row).arg(s.column), true),
                                     cell(signedText(s.w, 3), true),
                                     cell(tr("%1 %").arg(ui::numberText(s.share() * 100, 2)), true)};
        row[0]->setData(int(i), IndexRole);
        if (passes) row[2]->setFont(ui::boldFont());
        for (QStandardItem* item : row) {
            if (!passes) item->setForeground(ui::theme().text3);
            item->setToolTip(
                passes ? tr("Input and output are massive, and this weight makes most of the output.")
                       : tr("No candidate: input %1 and output %2 times the median, share %3 %")
                             .arg(ui::numberText(std::abs(s.x) / s.medianX, 2),
                                  ui::numberText(std::abs(s.y) / s.medianY, 2),
                                  ui::numberText(s.share() * 100, 2)));
        }
        m_superModel->appendRow(row);
    }
    auto* header = m_super->horizontalHeader();
    header->setSectionResizeMode(QHeaderView::ResizeToContents);
    header->setSectionResizeMode(0, QHeaderView::Stretch);
    const bool complete = m_state->trace() && m_state->trace()->complete;
    m_superHead->setNote(!complete   ? QString()
                         : found > 0 ? tr("%1 found").arg(found)
                                     : tr("none, nearest shown"));
    m_spike = m_spikes.empty() ? -1 : std::clamp(m_spike, 0, int(m_spikes.size()) - 1);
    if (m_spike >= 0) m_super->selectRow(m_spike);
    showSpike();
}

void TokenListsPane::chooseSpike(int row) {
    m_spike = row;
    showSpike();
    if (const DownSpike* s = spike()) {
        m_state->traceChannel(int(s->row));
        if (m_state->mapIsStream()) m_state->setCrosshair({int(s->row), int(s->token)});
    }
}

void TokenListsPane::showSpike() {
    m_facts->clear();
    const DownSpike* s = spike();
    if (s) {
        m_facts->addRow(tr("Input x[%1]").arg(s->column),
                        tr("%1 at “%2”").arg(signedText(s->x, 4), tokenText(s->token)));
        m_facts->addRow(
            tr("Contribution w x"), tr("%1 of %2").arg(signedText(s->contribution(), 4), signedText(s->y, 4)),
            ui::KeyValueGrid::Tone::Normal,
            tr("What the one weight adds to output %1 of the token, and the whole output").arg(s->row));
        const auto trace = m_state->trace();
        for (const NormGain& g : trace->trace.gains)
            if (g.block == s->block + 1 && g.half == BlockHalf::Attention)
                m_facts->addRow(tr("Next norm gain γ[%1]").arg(s->row),
                                ui::numberText(double(g.gain[s->row]), 3));
    }
    showAnswer();
}

void TokenListsPane::showAnswer() {
    m_answer->clear();
    const DownSpike* s = spike();
    const auto answer = m_state->answer();
    const bool here = s && answer && answer->module == s->module && answer->weights.size() == 1 &&
                      answer->weights[0].row == s->row && answer->weights[0].column == s->column;
    const SchemeTable* table = m_state->session()->table();
    const int target = s ? table->indexOf(QString::fromStdString(s->module)) : -1;
    if (here)
        for (const WhatIf& w : answer->result.after)
            m_answer->addRow(
                changeText(w.change, answer->format),
                tr("KL %1, loss %2").arg(signedText(w.kl, 2), signedText(w.loss - answer->result.loss, 2)),
                ui::KeyValueGrid::Tone::Normal,
                tr("KL(original || changed) ± %1 and change of the loss from %2, nats per token, over %3 "
                   "tokens of this window")
                    .arg(ui::numberText(w.klStderr, 2), ui::numberText(answer->result.loss, 4))
                    .arg(answer->result.tokens));
    const bool kept = target >= 0 && !table->row(target).hasScheme();
    if (target >= 0) {
        const ui::TargetRow& row = table->row(target);
        m_answer->addRow(
            tr("Keep the tensor in %1").arg(row.sourceType),
            kept ? tr("already kept")
                 : tr("+%1").arg(ui::bytesText(row.bytesBefore - std::min(row.bytesBefore, row.bytesAfter))));
    }
    m_whatIfNote->setText(
        !s                     ? tr("No down_proj has been run yet.")
        : m_state->measuring() ? tr("Measuring: the window runs with the weight changed.")
        : here && s            ? tr("A recipe keeps whole tensors: a single weight cannot be kept alone.")
                    : tr("Measure runs this window with the weight set to 0, and with the tensor rounded to "
                         "nearest with and without it."));
    const QString busy = s ? m_state->whatIfBlocker() : tr("Choose a candidate first.");
    m_measure->setEnabled(busy.isEmpty());
    m_measure->setToolTip(busy);
    const QString noKeep = target < 0 ? tr("Choose a candidate first.")
                           : kept     ? tr("The tensor is kept already.")
                                      : QString();
    m_keep->setEnabled(noKeep.isEmpty());
    m_keep->setToolTip(
        noKeep.isEmpty()
            ? tr("Keeps %1 in its source format: one undo step").arg(QString::fromStdString(s->module))
            : noKeep);
    m_open->setEnabled(target >= 0);
    m_open->setToolTip(s ? tr("Selects %1").arg(QString::fromStdString(s->module)) : QString());
}

} // namespace qs::app
