"""Names, places and words of Senegal and Kenya."""

from __future__ import annotations

WOMEN = (
    "Awa", "Fatou", "Aïssatou", "Mariama", "Ndèye", "Khady", "Coumba", "Rokhaya", "Adama", "Sokhna", "Astou", "Bineta",
    "Dieynaba", "Maïmouna", "Oumou", "Penda", "Yacine", "Aminata",
)  # fmt: skip
MEN = (
    "Moussa", "Mamadou", "Ibrahima", "Cheikh", "Ousmane", "Abdoulaye", "Babacar", "Modou", "Alioune", "Pape", "Samba",
    "Lamine", "Serigne", "Amadou", "Boubacar", "Malick", "El Hadji", "Souleymane",
)  # fmt: skip
SURNAMES = (
    "Ndiaye", "Diop", "Fall", "Sow", "Ba", "Diallo", "Sarr", "Faye", "Gueye", "Seck", "Cissé", "Mbaye", "Thiam", "Sy",
    "Ndour", "Diouf", "Kane", "Touré", "Camara", "Badji", "Sané", "Niang", "Dieng", "Wade", "Tall", "Ly", "Mbengue",
)  # fmt: skip
KENYANS = (
    "Wanjiru", "Achieng", "Akinyi", "Njeri", "Wambui", "Nyambura", "Kamau", "Otieno", "Kipchoge", "Mwangi", "Barasa",
    "Omondi", "Kiprono", "Mutua", "Atieno", "Chebet",
)  # fmt: skip
KENYAN_SURNAMES = (
    "Kariuki", "Odhiambo", "Njoroge", "Kimani", "Ochieng", "Wafula", "Korir", "Musyoka", "Maina", "Githinji", "Rotich",
    "Were", "Mugo", "Cheruiyot",
)  # fmt: skip
SENEGAL = (
    ("Dakar", "Dakar"), ("Pikine", "Dakar"), ("Rufisque", "Dakar"), ("Thiès", "Thiès"), ("Mbour", "Thiès"),
    ("Saint-Louis", "Saint-Louis"), ("Kaolack", "Kaolack"), ("Ziguinchor", "Ziguinchor"), ("Touba", "Diourbel"),
    ("Tambacounda", "Tambacounda"),
)  # fmt: skip
KENYA = (
    ("Nairobi", "Nairobi"), ("Mombasa", "Mombasa"), ("Kisumu", "Kisumu"), ("Nakuru", "Nakuru"),
    ("Eldoret", "Uasin Gishu"),
)  # fmt: skip
STREETS = (
    "Rue Moussé Diop", "Avenue Cheikh Anta Diop", "Rue de Thiong", "Boulevard de la République", "Sicap Liberté",
    "Cité Keur Gorgui", "Avenue Lamine Guèye", "Route de Ouakam",
)  # fmt: skip
KENYAN_STREETS = ("Moi Avenue", "Kenyatta Avenue", "Ngong Road", "Tom Mboya Street", "Argwings Kodhek Road")
BIOS = (
    "J'aime la thiéboudienne et le cinéma.", "Entrepreneuse à Dakar.", "Étudiant à l'UCAD.", "Papa de trois enfants.",
    "Teacher, runner, reader.", "Lutte et football, toujours.", "Couturière à Médina.", "I build things in Nairobi.",
)  # fmt: skip
WISHES = (
    "Joyeux anniversaire !", "Que Dieu te garde.",
    "Bon anniversaire, ma sœur.", "Beug naa la lool !", "Happy birthday!",
    "Pour tes vingt ans, avec toute mon affection.", "Longue vie et santé.", "Profite bien de ta journée !",
    "Have a wonderful day.", "De la part de toute la famille.",
)  # fmt: skip
POT_TITLES = (
    "L'anniversaire de {}", "Les {age} ans de {}", "Une surprise pour {}", "{}'s birthday", "Fêtons {}",
    "Un cadeau pour {}",
)  # fmt: skip
POT_TEXTS = (
    "Nous fêtons ensemble, et chaque franc compte.", "Un dîner, un film, et beaucoup de rires.",
    "Let us make this day one to remember.", "Pour celle qui pense toujours aux autres.",
)  # fmt: skip
# Name, kind, what its packs are about.
PARTNERS = (
    ("Cinéma Pathé Dakar", "cinema"), ("Restaurant Chez Fatou", "restaurant"), ("Spa Téranga", "spa"),
    ("Parc Magic Land", "leisure"), ("Librairie des Quatre Vents", "shop"), ("Hôtel Saly Plage", "hotel"),
)  # fmt: skip
PACKS = {
    "cinema": (("Soirée cinéma pour deux", 9_000), ("Cinéma en famille", 18_000), ("Carte dix séances", 35_000)),
    "restaurant": (("Dîner pour deux", 20_000), ("Thiéboudienne royal", 8_000), ("Brunch du dimanche", 12_500)),
    "spa": (("Massage d'une heure", 25_000), ("Hammam et gommage", 15_000), ("Journée bien-être", 60_000)),
    "leisure": (("Journée au parc", 7_500), ("Pass famille", 22_000), ("Anniversaire au parc", 75_000)),
    "shop": (("Bon d'achat livres", 10_000), ("Coffret de lecture", 16_000), ("Petit bon d'achat", 5_000)),
    "hotel": (("Nuit à la plage", 45_000), ("Week-end à Saly", 90_000), ("Déjeuner et piscine", 15_000)),
}
AGENTS = (
    "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Mobile", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/127.0", "lango-app/3.2 (Android 13; Tecno Camon)",
)  # fmt: skip
