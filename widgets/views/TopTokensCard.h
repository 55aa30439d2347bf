// SPDX-License-Identifier: GPL-3.0-or-later
// TopTokensCard: what each model expected at one position: its most likely tokens as bars.
#pragma once

#include "widgets/charts/Picture.h"

#include <QVector>
#include <QWidget>

namespace qs::ui {

struct TopTokensData {
    struct Choice {
        QString text;
        double probability = 0; ///< 0..1
        bool actual = false;    ///< the token that stands in the text
    };
    struct Column {
        int run = 0;   ///< 0 = A: the letter and its colour
        QString title; ///< "run 6, mix 700"
        QVector<Choice> choices;
    };
    QString headline; ///< "“2017”, token 61", "KL 0.92", "surprise 0.62 to 1.49 nats" joined
    QVector<Column> columns;
    QString note; ///< instead of columns: "Reading the models…"
};

class TopTokensCard : public QWidget, public Picture {
    Q_OBJECT
public:
    explicit TopTokensCard(QWidget* parent = nullptr);
    void setData(TopTokensData data);
    const TopTokensData& data() const { return m_data; }

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override {
        return m_data.headline.isEmpty() ? tr("Likely tokens") : m_data.headline;
    }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {200, 60}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    TopTokensData m_data;
};

} // namespace qs::ui
