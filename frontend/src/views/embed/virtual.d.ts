declare module "virtual:embed-tokens.css";
